"""Plots of representations: layers, units, spectra, correlations, and changes during training.

Every function returns a new `matplotlib.figure.Figure`, to be saved with `figure.savefig("name.png", dpi=180)` or
`figure.savefig("name.svg")`. Nothing is shown, and pyplot and its settings are not used. Layers are drawn in the order
of the model, with the same colours in every figure. Install `keras-repreg[plots]` for matplotlib.
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
