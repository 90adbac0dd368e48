"""Pictures of representations: layers, units, spectra, correlations, and what changes while a network trains.

Every function returns a new `matplotlib.figure.Figure`, which `figure.savefig("name.png", dpi=180)` or
`figure.savefig("name.svg")` saves. Nothing is shown, and neither pyplot nor its settings are changed. Layers are drawn
in the model's order, with the same colours in every picture. Install `keras-repreg[plots]` for matplotlib.
"""

from keras_repreg.plots.depth import by_layer
from keras_repreg.plots.epochs import characteristics_over_epochs
from keras_repreg.plots.matrices import correlation_matrix, spectrum
from keras_repreg.plots.plane import information_plane
from keras_repreg.plots.relation import correlation_scatter
from keras_repreg.plots.units import unit_histograms, unit_scatter

__all__ = [
    "by_layer",
    "characteristics_over_epochs",
    "correlation_matrix",
    "correlation_scatter",
    "information_plane",
    "spectrum",
    "unit_histograms",
    "unit_scatter",
]
