"""Plot the information plane: I(z; x) against I(z; y) for each layer and epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_repreg.arguments import one_of
from keras_repreg.information import MutualInformation
from keras_repreg.plots import canvas, colours, legends
from keras_repreg.plots.order import in_order

# For each estimate: the attributes of I(z; x) and I(z; y), their names on the axes, and the dashes of the lines.
ESTIMATES = {
    "value": ("zx", "zy", "± 2 standard errors", "± 2 standard errors", "value"),
    "conventional": ("zx_upper", "zy_upper_conventional", "upper bound", "difference of upper bounds", "upper"),
    "lower": ("zx_lower", "zy_lower", "lower bound", "lower bound", "lower"),
    "upper": ("zx_upper", "zy_upper", "upper bound", "upper bound", "upper"),
}


def information_plane(points: Any, *, estimate: str = "value", order: Any = None, ax: Any = None) -> Any:
    """Plot the trajectory of each layer in the information plane, with a filled marker for the last epoch.

    The colours run from the first layer (dark) to the last (light). More than twelve layers are named on a colour bar.

    Args:
        points: `{layer: {epoch: MutualInformation}}`, such as `InformationPlaneLogger.trajectory`, or `{name:
            [MutualInformation, ...]}`, or `{name: MutualInformation}`; all in the same unit.
        estimate: What to draw: "value" (with error bars of two standard errors), "lower" (both lower bounds), "upper"
            (both upper bounds), or "conventional" (the upper bound of I(z; x), and for I(z; y) the difference of upper
            bounds, which is commonly shown but is not a bound). Lower bounds are dotted and upper bounds dashed.
            Without labels there is no I(z; y), and I(z; x) is plotted against the epoch.
        order: The order of the layers, as a model or a list of layer names; by default the order of `points`.
        ax: Draw into these Axes.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `points` are not such mappings, or `ax` is not Axes.
        ValueError: if there are no points or no such estimate, or the points differ in unit, noise variance, or whether
            they were measured with labels.

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
    if order is not None:
        trajectories = {name: trajectories[name] for name in in_order(trajectories, order)}
    kinds = {(point.unit, point.noise_variance) for points in trajectories.values() for point in points.values()}
    if len(kinds) != 1:
        raise ValueError(f"Expected points with the same unit and noise variance. Received: {sorted(kinds)}")
    ((unit, noise_variance),) = kinds
    labelled = {point.zy is not None for points in trajectories.values() for point in points.values()}
    if len(labelled) != 1:
        raise ValueError("Expected all points or none to be measured with labels. Received: some with I(z; y)")
    of_x, of_y, kind_x, kind_y, dashes = ESTIMATES[estimate]
    ax = canvas.axes_of(ax, 6, 4)
    handles = []
    for k, ((name, of_layer), colour) in enumerate(
        zip(trajectories.items(), colours.by_depth(len(trajectories)), strict=True)
    ):
        zx, zx_errors = _values(of_layer, of_x)
        if labelled == {True}:
            (x, x_errors), (y, y_errors) = (zx, zx_errors), _values(of_layer, of_y)
        else:
            (x, x_errors), (y, y_errors) = (list(of_layer), None), (zx, zx_errors)
        marker = colours.marker(k)
        handles += ax.plot(
            x, y, color=colour, linewidth=1.2, marker=marker, markersize=5, markerfacecolor="white", label=name,
            linestyle=colours.DASHES[dashes],
        )  # fmt: skip
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
    legends.name_layers(ax.get_figure(), [ax], handles, list(trajectories))
    return ax.figure


def _values(of_layer: dict[Any, MutualInformation], name: str) -> tuple[list[float], list[float] | None]:
    """Return an attribute of each point, and twice its standard error, if any."""
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
    """Return {name: {epoch: point}}, sorted by epoch."""
    if not isinstance(points, Mapping):
        raise TypeError(f"Expected `points` to be a mapping from layer names. Received: {points!r}")
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
        raise TypeError(f"Expected the points of a layer as a list or a mapping from epochs. Received: {points!r}")
    return dict(enumerate(points))
