"""Plot Figure 1 of the paper: activations of one unit, and of two units against each other, by class."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer
from keras_repreg.arrays import to_numpy
from keras_repreg.information.samples import as_classes
from keras_repreg.plots import canvas, colours, legends
from keras_repreg.rows import as_matrix

# The default number of bins follows Rice's rule up to here.
MOST_BINS = 50
UNITS_SHOWN = 6
# The reasons for the choice of units, shown in figures.
SEPARATE = "separate the classes best (largest share of variance between classes)"
ACTIVE = "separate the classes best (largest share of variance between classes), are rarely zero,"
VARY = "vary most"


def unit_histograms(
    z: Any, labels: Any = None, units: Any = None, *, bins: int | None = None, figure: Any = None
) -> Any:
    """Draw histograms of the activations of single units, by class: the upper row of the paper's Figure 1.

    If no activation of a unit is negative, as after ReLU, its exact zeros are omitted from the histogram, which they
    would dominate, and the title of the panel shows their percentage. With more than ten classes, the nine most
    frequent have colours and the others are grey.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) without labels.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        units: An index or a list of indices. By default up to six units that separate the classes best, each weakly
            correlated with those before it; without labels, units of large variance. The figure states the choice.
        bins: The number of bins. By default twice the cube root of the number of samples, at most 50.
        figure: Draw into this empty Figure or SubFigure.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `figure` is not a figure.
        ValueError: if `z`, the labels, the units or the number of bins are invalid.

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
    why = _why(chosen, matrix, names) if units is None else ""
    classes, names, shades = colours.most_frequent(classes, names)
    if bins is None:
        bins = min(math.ceil(2 * len(matrix) ** (1 / 3)), MOST_BINS)
    bins = positive_integer(bins, "bins")
    rows = -(-len(chosen) // 3)
    figure = canvas.figure_of(figure, 3.2 * min(len(chosen), 3) + 0.3, 2.2 * rows + 0.8)
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
            for k, colour in enumerate(shades)
        ]  # fmt: skip
        zeros = f", {np.mean(~shown):.0%} zero" if not shown.all() else ""
        ax.set_title(f"unit {unit}{zeros}", fontsize="medium")
        ax.xaxis.get_major_locator().set_params(nbins=4)
        canvas.tidy(ax)
    figure.supxlabel(f"activation\n{legends.note(why, canvas.width_of(figure))}".strip(), fontsize="small")
    figure.supylabel("samples", fontsize="small")
    if labels is not None:
        legends.legend_above(figure, handles, names)
    return figure


def unit_scatter(z: Any, labels: Any = None, units: Sequence[int] | None = (0, 1), *, ax: Any = None) -> Any:
    """Plot the activations of two units against each other, by class: the lower row of the paper's Figure 1.

    Each class has a colour and a marker. With more than ten classes, the nine most frequent have colours and the others
    are grey.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) without labels.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        units: Indices of two units. If None, two weakly correlated units that separate the classes best among those
            that are zero for few samples; without labels, units of large variance. The title states the choice.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `ax` is not Axes.
        ValueError: if `z`, the labels or the units are invalid.

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
        raise ValueError(f"Expected `units` to be two indices or None. Received: units={units!r}")
    why = _why([first, *others], matrix, names, active=True) if units is None else ""
    classes, names, shades = colours.most_frequent(classes, names)
    ax = canvas.axes_of(ax, 5.6, 4.2)
    size = float(np.clip(60_000 / len(matrix), 9, 25))
    # The grey of the others is drawn below.
    handles = [
        ax.scatter(
            *matrix[classes == k][:, [first, others[0]]].T, s=size, color=colour, label=name, linewidths=0, alpha=0.5,
            marker=colours.marker(k), rasterized=True, zorder=1.5 if colour == colours.OTHERS else 2,
        )
        for k, (name, colour) in enumerate(zip(names, shades, strict=True))
    ]  # fmt: skip
    ax.set_xlabel(f"unit {first}")
    ax.set_ylabel(f"unit {others[0]}")
    if why:
        ax.set_title(legends.note(why, 0.75 * canvas.width_of(ax.get_figure())), fontsize="small", loc="left")
    canvas.tidy(ax)
    if labels is not None:
        legend = legends.legend_beside(ax, handles, names)
        for handle in legend.legend_handles:
            handle.set_sizes([30])
            handle.set_alpha(1)
    return ax.figure


def _samples(z: Any, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.intp], list[str]]:
    """Return the activations, the class of each row, and the names of the classes."""
    matrix = as_matrix(z)
    if not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"Expected at least one activation, all finite. Received: shape {np.shape(z)}")
    if labels is None:
        return matrix, np.zeros(len(matrix), dtype=np.intp), [""]
    names, classes = as_classes(labels, len(matrix))
    return matrix, classes, [str(name) for name in names]


def _chosen(
    units: Any, z: NDArray[np.float64], classes: NDArray[np.intp], number: int, *, active: bool = False
) -> list[int]:
    if units is None:
        return _separating(z, classes, number, active)
    listed = np.atleast_1d(to_numpy(units))
    if listed.ndim != 1 or not listed.size or listed.dtype.kind not in "iu" or not (
        (listed >= -z.shape[1]) & (listed < z.shape[1])
    ).all():  # fmt: skip
        raise ValueError(f"Expected `units` to be indices of units, 0 to {z.shape[1] - 1}. Received: units={units!r}")
    return [int(unit) % z.shape[1] for unit in listed]


def _why(chosen: Sequence[int], z: NDArray[np.float64], names: Sequence[str], *, active: bool = False) -> str:
    """Return a sentence that explains the choice of units."""
    if len(chosen) == z.shape[1]:
        return f"All {z.shape[1]} units." if len(chosen) > 1 else ""
    reason = VARY if len(names) < 2 else ACTIVE if active else SEPARATE
    return f"{len(chosen)} of {z.shape[1]:,} units: those that {reason} and are weakly correlated with each other."


def _separating(z: NDArray[np.float64], classes: NDArray[np.intp], number: int, active: bool = False) -> list[int]:
    """Return units with the largest fraction of variance between classes, discounted by correlation with those before.

    With `active`, the fraction is multiplied by the fraction of nonzero samples. With a single class the variance is
    used instead.
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
