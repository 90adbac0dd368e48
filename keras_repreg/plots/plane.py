"""The information plane: I(z; x) against I(z; y), layer by layer, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_repreg.arguments import one_of
from keras_repreg.information import MutualInformation
from keras_repreg.plots import canvas

# What to draw of each point: the attributes for I(z; x) and I(z; y), and what the axes say.
ESTIMATES = {
    "value": ("zx", "zy", "± 2 standard errors", "± 2 standard errors"),
    "conventional": ("zx_upper", "zy_upper_conventional", "upper bound", "difference of upper bounds"),
    "lower": ("zx_lower", "zy_lower", "lower bound", "lower bound"),
    "upper": ("zx_upper", "zy_upper", "upper bound", "upper bound"),
}


def information_plane(points: Any, *, estimate: str = "value", ax: Any = None) -> Any:
    """Draw the trajectory of each layer in the information plane, from the first epoch (hollow) to the last (full).

    Args:
        points: `{layer: {epoch: MutualInformation}}`, as `InformationPlaneLogger.trajectory` holds it, or
            `{name: [MutualInformation, ...]}`, or `{name: MutualInformation}`; all in one unit.
        estimate: What to draw: "value" (with error bars of two standard errors), "lower" (both lower bounds), "upper"
            (both upper bounds), or "conventional" (the upper bound of I(z; x), and for I(z; y) the difference of upper
            bounds, which is commonly shown and not a bound). Without labels there is no I(z; y), and I(z; x) is drawn
            over epochs.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `points` are not such, or `ax` none.
        ValueError: if there is no point, no such estimate, or the points differ in unit or noise, or in whether they
            were measured with labels.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg import plots
        >>> from keras_repreg.information import mutual_information
        >>> z = np.random.default_rng(0).normal(size=(50, 4))
        >>> points = {"hidden": {k: mutual_information(k * z, np.arange(50) % 2) for k in (1, 2, 3)}}
        >>> figure = plots.information_plane(points)

    Reference:
        Shwartz-Ziv and Tishby (2017), "Opening the black box of deep neural networks via information".
    """
    one_of(estimate, list(ESTIMATES), "estimate")
    trajectories = _trajectories(points)
    kinds = {(point.unit, point.noise_variance) for points in trajectories.values() for point in points.values()}
    if len(kinds) != 1:
        raise ValueError(f"Expected points of one unit and one noise variance. Received: {sorted(kinds)}")
    ((unit, noise_variance),) = kinds
    labelled = {point.zy is not None for points in trajectories.values() for point in points.values()}
    if len(labelled) != 1:
        raise ValueError("Expected all points to be measured with labels, or none. Received: some with I(z; y)")
    of_x, of_y, kind_x, kind_y = ESTIMATES[estimate]
    ax = canvas.axes_of(ax, 5.6, 4)
    for k, ((name, of_layer), colour) in enumerate(
        zip(trajectories.items(), canvas.colours(len(trajectories)), strict=True)
    ):
        zx, zx_errors = _values(of_layer, of_x)
        if labelled == {True}:
            (x, x_errors), (y, y_errors) = (zx, zx_errors), _values(of_layer, of_y)
        else:
            (x, x_errors), (y, y_errors) = (list(of_layer), None), (zx, zx_errors)
        marker = canvas.MARKERS[k % len(canvas.MARKERS)]
        ax.plot(x, y, color=colour, linewidth=1.2, marker=marker, markersize=5, markerfacecolor="white", label=name)
        ax.plot(x[-1:], y[-1:], color=colour, marker=marker, markersize=7, linestyle="none")
        if y_errors is not None:
            ax.errorbar(x, y, y_errors, x_errors, fmt="none", ecolor=colour, elinewidth=1, capsize=2, alpha=0.6)
    if labelled == {True}:
        ax.set_xlabel(f"I(z; x), {kind_x} ({unit})")
        ax.set_ylabel(f"I(z; y), {kind_y} ({unit})")
    else:
        ax.set_xlabel("epoch")
        ax.locator_params(axis="x", integer=True)
        ax.set_ylabel(f"I(z; x), {kind_x} ({unit})")
    ax.set_title(_measured_how(trajectories, noise_variance), fontsize="medium")
    canvas.tidy(ax)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return ax.figure


def _values(of_layer: dict[Any, MutualInformation], name: str) -> tuple[list[float], list[float] | None]:
    """An attribute of each point, and two of its standard errors, if it has one."""
    points = of_layer.values()
    errors = [2 * getattr(point, f"{name}_error") for point in points] if name in ("zx", "zy") else None
    return [getattr(point, name) for point in points], errors


def _measured_how(trajectories: dict[str, dict[Any, MutualInformation]], noise_variance: float) -> str:
    points = [point for of_layer in trajectories.values() for point in of_layer.values()]
    numbers = sorted({point.n_samples for point in points})
    samples = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    saturated = ", I(z; x) saturated" if any(point.zx_saturated for point in points) else ""
    return f"s² = {noise_variance:g}, N = {samples}{saturated}"


def _trajectories(points: Any) -> dict[str, dict[Any, MutualInformation]]:
    """{name: {epoch: point}}, in the order of the epochs."""
    if not isinstance(points, Mapping):
        raise TypeError(f"Expected `points` by the name of a layer. Received: {points!r}")
    trajectories: dict[str, dict[Any, MutualInformation]] = {}
    for name, given in points.items():
        if isinstance(given, MutualInformation):
            given = [given]
        of_layer = dict(given) if isinstance(given, Mapping) else _numbered(given)
        wrong = [point for point in of_layer.values() if not isinstance(point, MutualInformation)]
        if wrong:
            raise TypeError(f"Expected points of layer '{name}' to be MutualInformation. Received: {wrong[0]!r}")
        if of_layer:
            trajectories[str(name)] = {epoch: of_layer[epoch] for epoch in sorted(of_layer)}
    if not trajectories:
        raise ValueError(f"Expected at least one point. Received: {points!r}")
    return trajectories


def _numbered(points: Any) -> dict[int, Any]:
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise TypeError(f"Expected points of a layer by epoch, or in a list. Received: {points!r}")
    return dict(enumerate(points))
