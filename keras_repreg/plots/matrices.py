"""Plot spectra and correlations of a representation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64
from keras_repreg.plots import canvas, colours, legends

# Eigenvalues below this fraction of the largest are rounding noise.
NOISE = 1e-12


def spectrum(spectra: Any, *, ax: Any = None) -> Any:
    """Plot eigenvalues in descending order on a logarithmic axis.

    Eigenvalues below 1e-12 of the largest, including zeros, are rounding noise and are not drawn.

    Args:
        spectra: Eigenvalues, for example of a covariance, in any order; or several such arrays by name.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `ax` is not Axes.
        ValueError: if there is no spectrum, or one is not a finite one-dimensional array.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg import plots
        >>> z = np.random.default_rng(0).normal(size=(200, 8))
        >>> figure = plots.spectrum(np.linalg.eigvalsh(np.cov(z.T)))
    """
    by_name = dict(spectra) if isinstance(spectra, Mapping) else {"": spectra}
    if not by_name:
        raise ValueError(f"Expected at least one spectrum. Received: {spectra!r}")
    curves = {str(name): _descending(values) for name, values in by_name.items()}
    ax = canvas.axes_of(ax, 5.2, 3.6)
    handles = []
    for k, ((name, values), colour) in enumerate(zip(curves.items(), colours.of_categories(len(curves)), strict=True)):
        drawn = np.where(values > NOISE * max(values[0], 0), values, np.nan)
        handles += ax.plot(
            np.arange(1, len(values) + 1), drawn, color=colour, label=name, linewidth=1.5, marker=colours.marker(k),
            markersize=4, markevery=max(len(values) // 25, 1),
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set_xlabel("index")
    ax.set_ylabel("eigenvalue")
    canvas.tidy(ax)
    if isinstance(spectra, Mapping):
        legends.legend_beside(ax, handles, list(curves))
    return ax.figure


def _descending(values: Any) -> NDArray[np.float64]:
    array = to_float64(values)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(
            f"Expected a spectrum to be a finite array of shape (M,). Received: shape {array.shape}, {array!r}"
        )
    return np.sort(array)[::-1]


def correlation_matrix(correlation: Any, *, ax: Any = None) -> Any:
    """Draw a correlation matrix as an image from -1 (blue) to 1 (red); undefined correlations (NaN) are grey.

    Args:
        correlation: Correlations between the units, shape (M, M).
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `ax` is not Axes.
        ValueError: if the matrix is not square, or has values outside of [-1, 1].

    Examples:
        >>> import numpy as np
        >>> from keras_repreg import plots
        >>> z = np.random.default_rng(0).normal(size=(200, 8))
        >>> figure = plots.correlation_matrix(np.corrcoef(z.T))
    """
    matrix = to_float64(correlation)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"Expected a matrix of shape (M, M). Received: shape {matrix.shape}")
    if (np.abs(matrix) > 1 + 1e-6).any():
        largest = np.nanmax(np.abs(matrix))
        raise ValueError(f"Expected correlations from -1 to 1. Received: absolute values up to {largest:.6g}")
    ax = canvas.axes_of(ax, 4.8, 4)
    shades = canvas.matplotlib().colormaps["RdBu_r"].with_extremes(bad="0.75")
    image = ax.imshow(matrix, cmap=shades, vmin=-1, vmax=1, interpolation="nearest")
    ax.set_xlabel("unit")
    ax.set_ylabel("unit")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.figure.colorbar(image, ax=ax, label="correlation", shrink=0.9)
    return ax.figure
