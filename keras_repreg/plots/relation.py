"""Plot two numbers of several networks against each other, with their correlation."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.plots import canvas, colours, legends

# The two-sided 95% quantile of the standard normal distribution.
NORMAL_95 = 1.959964
# Possible positions of the name of a point: the offset in points, and the alignment.
PLACES = (
    (6, 0, "left", "center"), (-6, 0, "right", "center"), (0, 6, "center", "bottom"), (0, -6, "center", "top"),
    (5, 5, "left", "bottom"), (-5, 5, "right", "bottom"), (5, -5, "left", "top"), (-5, -5, "right", "top"),
    (14, 14, "left", "bottom"), (-14, 14, "right", "bottom"), (14, -14, "left", "top"), (-14, -14, "right", "top"),
    (22, 0, "left", "center"), (-22, 0, "right", "center"), (0, 20, "center", "bottom"), (0, -20, "center", "top"),
)  # fmt: skip


def correlation_scatter(points: Any, x_label: str = "", y_label: str = "", *, ax: Any = None) -> Any:
    """Plot one number of each network against another, with Pearson's correlation r in the title.

    The 95% interval of r is Fisher's: artanh(r) +- 1.96 / sqrt(n - 3), transformed back. It assumes that the networks
    are independent draws from a normal distribution. There is no interval for fewer than four networks or |r| = 1, and
    no r for fewer than three networks or if one of the numbers is constant.

    Args:
        points: `{name: (x, y)}`, or `{name: (x, y, x_deviation, y_deviation)}` with the half lengths of error bars.
        x_label: The label of the x axis.
        y_label: The label of the y axis.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `ax` is not Axes, `points` is not a mapping, or a label is not a string.
        ValueError: if there are no points, or one is not two or four finite numbers.

    Examples:
        >>> from keras_repreg import plots
        >>> errors = {"baseline": (9.1, 2.9), "CR": (2.2, 2.6), "cw-CR": (2.4, 2.4), "L1R": (1.8, 2.5)}
        >>> figure = plots.correlation_scatter(errors, "I(z; x) (nats)", "test error (%)")
        >>> figure.axes[0].get_title()
        'r = 0.91 (95% interval −0.38 to 1.00), n = 4'
    """
    for key, text in (("x_label", x_label), ("y_label", y_label)):
        if not isinstance(text, str):
            raise TypeError(f"Expected `{key}` to be a string. Received: {key}={text!r}")
    named = _points(points)
    values = np.array(list(named.values()))
    ax = canvas.axes_of(ax, 5.6, 4.2)
    x, y, x_deviation, y_deviation = values.T
    ax.errorbar(
        x, y, y_deviation if y_deviation.any() else None, x_deviation if x_deviation.any() else None, fmt="o",
        color=colours.CATEGORIES[0], ecolor="0.6", elinewidth=1, markersize=6,
    )  # fmt: skip
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.set_title(_correlation(x, y), fontsize="medium")
    ax.margins(0.12)
    canvas.tidy(ax)
    _name(ax, named)
    return ax.figure


def _points(points: Any) -> dict[str, list[float]]:
    if not isinstance(points, Mapping):
        raise TypeError(f"Expected `points` to be a mapping from names to (x, y). Received: {points!r}")
    named: dict[str, list[float]] = {}
    for name, point in points.items():
        try:
            numbers = [float(number) for number in point]
        except (TypeError, ValueError):
            numbers = []
        if len(numbers) not in (2, 4) or not np.isfinite(numbers).all() or min(numbers[2:], default=0) < 0:
            raise ValueError(
                "Expected (x, y) or (x, y, x_deviation, y_deviation), finite and with deviations >= 0. "
                f"Received: {name!r}: {point!r}"
            )
        named[str(name)] = [*numbers, 0.0, 0.0][:4]
    if not named:
        raise ValueError(f"Expected at least one point. Received: {points!r}")
    return named


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    number = f"n = {len(x)}"
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return number
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    text = f"r = {r:.2f}"
    if len(x) > 3 and abs(r) < 1:
        low, high = np.tanh(np.arctanh(r) + NORMAL_95 / np.sqrt(len(x) - 3) * np.array([-1, 1]))
        text += f" (95% interval {low:.2f} to {high:.2f})"
    return f"{text}, {number}".replace("-", "−")


def _name(ax: Any, named: Mapping[str, list[float]]) -> None:
    """Write each name beside its point, in the first position where it covers no other name or point."""
    occupied: list[Any] = list(_boxes(ax, named))
    inside = ax.get_window_extent()
    for name, (x, y, *_) in named.items():
        best: tuple[float, Any] | None = None
        for dx, dy, horizontal, vertical in PLACES:
            text = ax.annotate(
                legends.label(name, 24), (x, y), (dx, dy), textcoords="offset points", ha=horizontal, va=vertical,
                fontsize="small", annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.6} if abs(dx) + abs(dy) > 12 else None,
            )  # fmt: skip
            box = text.get_window_extent().padded(1)
            covered = sum(box.overlaps(other) for other in occupied)
            covered += not (inside.x0 <= box.x0 and box.x1 <= inside.x1 + 20 and inside.y0 <= box.y0 <= inside.y1)
            if best is None or covered < best[0]:
                if best is not None:
                    best[1].remove()
                best = (covered, text)
            else:
                text.remove()
            if not covered:
                break
        assert best is not None
        occupied.append(best[1].get_window_extent().padded(1))


def _boxes(ax: Any, named: Mapping[str, list[float]]) -> Iterator[Any]:
    """Yield the boxes of the points in pixels."""
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
    for x, y, *_ in named.values():
        at = ax.transData.transform((x, y))
        yield canvas.matplotlib().transforms.Bbox.from_extents(at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4)
