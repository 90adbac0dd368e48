"""Pictures of representations: units, spectra, correlations, and what changes while a network trains.

Every function returns a `matplotlib.figure.Figure` of its own, to be saved with `figure.savefig("name.png")`; nothing
is shown, and neither pyplot nor its settings are touched. Install `keras-repreg[plots]` for matplotlib.
"""

from keras_repreg.plots.epochs import characteristics_over_epochs
from keras_repreg.plots.matrices import correlation_matrix, spectrum
from keras_repreg.plots.plane import information_plane
from keras_repreg.plots.units import unit_histograms, unit_scatter

__all__ = [
    "characteristics_over_epochs",
    "correlation_matrix",
    "information_plane",
    "spectrum",
    "unit_histograms",
    "unit_scatter",
]
