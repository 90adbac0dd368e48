"""Figure 1 of the paper: how the classes lie in one unit, and in two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer
from keras_repreg.arrays import to_numpy
from keras_repreg.information.samples import as_classes
from keras_repreg.plots import canvas
from keras_repreg.rows import as_matrix

BINS = 50
UNITS_SHOWN = 6


def unit_histograms(z: Any, labels: Any = None, units: Any = None, *, bins: int = BINS, figure: Any = None) -> Any:
    """Histograms of the activations of single units, a colour a class: the upper row of the paper's Figure 1.

    Where no activation of the unit is negative, as after ReLU, its exact zeros are left out of the histogram, which
    they would dwarf, and counted in the panel's title.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) without labels.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        units: Index of a unit or a list of these; by default the up to six that tell the classes apart best, and
            without labels those of the largest variance.
        bins: Number of bins.
        figure: Draw into this empty Figure or SubFigure.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `figure` is none.
        ValueError: if `z`, the labels, the units or the number of bins do not fit.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg import plots
        >>> z = np.maximum(np.random.default_rng(0).normal(size=(200, 8)), 0)
        >>> figure = plots.unit_histograms(z, labels=np.arange(200) % 3, units=[0, 5])
        >>> [ax.get_title() for ax in figure.axes]
        ['unit 0, 52% zero', 'unit 5, 52% zero']

    Reference:
        Figure 1 of Choi, Lee, Shin and Rhee (2018).
    """
    matrix, classes, names = _samples(z, labels)
    chosen = _chosen(units, matrix, classes, min(UNITS_SHOWN, matrix.shape[1]))
    bins = positive_integer(bins, "bins")
    rows = -(-len(chosen) // 3)
    figure = canvas.figure_of(figure, 3.2 * min(len(chosen), 3) + 0.3, 2.2 * rows + 0.5)
    colours = canvas.colours(len(names))
    handles: list[Any] = []
    for unit, ax in zip(chosen, canvas.grid_of(figure, len(chosen), 3), strict=True):
        values = matrix[:, unit]
        shown = values != 0 if (values >= 0).all() else np.ones(len(values), dtype=bool)
        edges = np.histogram_bin_edges(values[shown], int(bins))
        handles = [
            ax.hist(
                values[shown & (classes == k)], edges, histtype="stepfilled", linewidth=1.2, edgecolor=colour,
                facecolor=(colour, 0.25),
            )[2][0]
            for k, colour in enumerate(colours)
        ]  # fmt: skip
        zeros = f", {np.mean(~shown):.0%} zero" if not shown.all() else ""
        ax.set_title(f"unit {unit}{zeros}", fontsize="medium")
        canvas.tidy(ax)
    figure.supxlabel("activation", fontsize="medium")
    figure.supylabel("samples", fontsize="medium")
    if labels is not None:
        canvas.legend_above(figure, handles, names)
    return figure


def unit_scatter(z: Any, labels: Any = None, units: Sequence[int] | None = (0, 1), *, ax: Any = None) -> Any:
    """Two units' activations against each other, a colour and a marker a class: the lower row of Figure 1.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) without labels.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        units: Indices of two units; with None, one that tells the classes apart and is zero for few samples, and
            another that does so in another way.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `ax` is none.
        ValueError: if `z`, the labels or the units do not fit.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg import plots
        >>> z = np.maximum(np.random.default_rng(0).normal(size=(200, 8)), 0)
        >>> figure = plots.unit_scatter(z, labels=np.arange(200) % 3, units=(2, 5))

    Reference:
        Figure 1 of Choi, Lee, Shin and Rhee (2018).
    """
    matrix, classes, names = _samples(z, labels)
    if matrix.shape[1] < 2:
        raise ValueError(f"Expected at least two units. Received: z.shape={matrix.shape}")
    first, *others = _chosen(units, matrix, classes, 2, active=True)
    if len(others) != 1:
        raise ValueError(f"Expected `units` to be two of them or None. Received: units={units!r}")
    ax = canvas.axes_of(ax, 5.2, 4.2)
    size = float(np.clip(60_000 / len(matrix), 9, 25))
    for k, (name, colour) in enumerate(zip(names, canvas.colours(len(names)), strict=True)):
        ax.scatter(
            *matrix[classes == k][:, [first, others[0]]].T, s=size, color=colour, label=name, linewidths=0, alpha=0.5,
            marker=canvas.MARKERS[k % len(canvas.MARKERS)], rasterized=True,
        )  # fmt: skip
    ax.set_xlabel(f"unit {first}")
    ax.set_ylabel(f"unit {others[0]}")
    canvas.tidy(ax)
    if labels is not None:
        legend = ax.legend(
            loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small", ncols=-(-len(names) // 20),
            handletextpad=0.1,
        )  # fmt: skip
        for handle in legend.legend_handles:
            handle.set_sizes([30])
            handle.set_alpha(1)
    return ax.figure


def _samples(z: Any, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.intp], list[str]]:
    """Activations, the class of each row, and the names of the classes."""
    matrix = as_matrix(z)
    if not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"Expected finite activations, at least one. Received: shape {np.shape(z)}")
    if labels is None:
        return matrix, np.zeros(len(matrix), dtype=np.intp), [""]
    names, classes = as_classes(labels, len(matrix))
    return matrix, classes, [str(name) for name in names]


def _chosen(
    units: Any, z: NDArray[np.float64], classes: NDArray[np.intp], number: int, *, active: bool = False
) -> list[int]:
    if units is None:
        return _telling(z, classes, number, active)
    listed = np.atleast_1d(to_numpy(units))
    if listed.ndim != 1 or not listed.size or listed.dtype.kind not in "iu" or not (
        (listed >= -z.shape[1]) & (listed < z.shape[1])
    ).all():  # fmt: skip
        raise ValueError(f"Expected `units` to be indices of units, 0 to {z.shape[1] - 1}. Received: units={units!r}")
    return [int(unit) % z.shape[1] for unit in listed]


def _telling(z: NDArray[np.float64], classes: NDArray[np.intp], number: int, active: bool = False) -> list[int]:
    """Units with the largest share of variance between the classes, each next one little correlated with those before.

    If `active`, the share is weighed by that of samples which are not zero. Of a single class, those with the largest
    variance.
    """
    centred = z - z.mean(axis=0)
    variance = np.mean(centred**2, axis=0)
    alive = variance > 0
    safe = np.where(alive, variance, 1)
    sizes = np.bincount(classes)
    if len(sizes) > 1:
        means = np.stack([centred[classes == k].mean(axis=0) for k in range(len(sizes))])
        score = sizes @ means**2 / len(z) / safe * (np.mean(z != 0, axis=0) if active else 1)
    else:
        score = variance.copy()
    chosen: list[int] = []
    for _ in range(number):
        score[chosen] = -1
        chosen.append(int(np.argmax(score)))
        correlation = centred.T @ centred[:, chosen[-1]] / len(z) / np.sqrt(safe * safe[chosen[-1]])
        score = np.where(score > 0, score * (1 - np.minimum(np.abs(correlation), 1)), score)
    return chosen
