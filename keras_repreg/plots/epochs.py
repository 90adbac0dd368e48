"""Plot characteristics of layers over the epochs of training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_repreg.characteristics.definitions import AT_CHANCE, CHARACTERISTICS
from keras_repreg.plots import canvas, colours, legends
from keras_repreg.plots.order import in_order

PREFIX = "val_"
# Titles of the values of InformationPlaneLogger, in the notation of the paper.
TITLES = {
    "zx": "I(z; x)",
    "zx_lower": "I(z; x), lower bound",
    "zx_upper": "I(z; x), upper bound",
    "zy": "I(z; y)",
    "zy_lower": "I(z; y), lower bound",
    "zy_upper": "I(z; y), upper bound",
    "zx_error": "I(z; x), standard error",
    "zy_error": "I(z; y), standard error",
}
# Drawn as error bars of two standard errors in the panel of the value.
ERRORS = {"zx": "zx_error", "zy": "zy_error"}
COLUMNS = 3


def characteristics_over_epochs(history: Any, layer: Any = None, *, order: Any = None, figure: Any = None) -> Any:
    """Plot the logs of `CharacteristicsLogger` and `InformationPlaneLogger`, with one panel per characteristic.

    There is one line per layer. The colours run from the first layer (dark) to the last (light); more than twelve
    layers are named on a colour bar. A layer has the same colour if only some layers are drawn. Lower bounds are
    dotted, upper bounds dashed, and values at chance, from `CharacteristicsLogger(chance=True)`, dash-dotted.

    Args:
        history: The result of `fit`, or its `history` dict, with keys `val_<layer>_<characteristic>`.
        layer: A layer, its name, or a list of these; by default all logged layers.
        order: The order of the layers, as a model or a list of layer names. Defaults to the model of `history`; for a
            dict, whose keys Keras sorts by name, to the numbers in the names.
        figure: Draw into this empty Figure or SubFigure.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `figure` is not a figure, or `history` is not such a dict.
        ValueError: if the history has no characteristics, or none for the layer, or `order` is invalid.

    Examples:
        >>> from keras_repreg import plots
        >>> history = {"loss": [2.0, 1.0], "val_hidden_stable_rank": [3.0, 2.5], "val_hidden_sparsity": [0.4, 0.5]}
        >>> figure = plots.characteristics_over_epochs(history)
        >>> [ax.get_title() for ax in figure.axes]
        ['sparsity', 'stable rank']
    """
    logged = getattr(history, "history", history)
    if not isinstance(logged, Mapping):
        raise TypeError(f"Expected `history` to be the result of `fit` or its dict. Received: {history!r}")
    by_layer = _by_layer(logged)
    ordered = in_order(by_layer, getattr(history, "model", None) if order is None else order)
    shades = dict(zip(ordered, colours.by_depth(len(ordered)), strict=True))
    markers = {name: colours.marker(k) for k, name in enumerate(ordered)}
    chosen = {name: by_layer[name] for name in _chosen(ordered, layer)}
    names = _panels(chosen)
    epochs = max(len(values) for values in logged.values())
    rows = -(-len(names) // COLUMNS)
    figure = canvas.figure_of(figure, 3 * min(len(names), COLUMNS) + 0.4, 2.1 * rows + 0.7)
    axes = canvas.grid_of(figure, len(names), COLUMNS)
    for name, ax in zip(names, axes, strict=True):
        for one, values in chosen.items():
            series = np.asarray(values.get(name, []), dtype=np.float64)
            at = _epochs_of(len(series), epochs)
            ax.plot(
                at, series, color=shades[one], linewidth=1.5, markersize=4, marker=markers[one],
                markevery=max(len(series) // 10, 1), linestyle=_dashes(name),
            )  # fmt: skip
            chance = values.get(name + AT_CHANCE, [])
            if len(chance):
                ax.plot(
                    _epochs_of(len(chance), epochs), chance, color=shades[one], linewidth=1,
                    linestyle=colours.DASHES["chance"],
                )  # fmt: skip
            if ERRORS.get(name) in values:
                errors = 2 * np.asarray(values[ERRORS[name]], dtype=np.float64)
                ax.errorbar(at, series, errors, fmt="none", ecolor=shades[one], elinewidth=1, alpha=0.6)
        ax.set_title(legends.label(TITLES.get(name, name.replace("_", " "))), fontsize="medium")
        ax.xaxis.get_major_locator().set_params(integer=True)
        canvas.tidy(ax)
    figure.supxlabel("epoch", fontsize="medium")
    if len(chosen) > legends.MOST_LAYERS:
        legends.depth_bar(figure, axes, ordered)
    else:
        line = canvas.matplotlib().lines.Line2D
        handles = [line([], [], color=shades[one], marker=markers[one], markersize=4) for one in chosen]
        legends.legend_above(figure, handles, list(chosen))
    return figure


def _epochs_of(number: int, epochs: int) -> Any:
    """Return the epochs of a series, which has fewer values than epochs if not every epoch is validated."""
    return max(epochs // max(number, 1), 1) * np.arange(1, number + 1)


def _dashes(name: str) -> Any:
    """Return the dashes of a bound or a value."""
    return colours.DASHES[
        name.rpartition("_")[2] if name in TITLES and name.endswith(("_lower", "_upper")) else "value"
    ]


def _panels(by_layer: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the characteristics with a panel, in order of definition, without standard errors and values at chance."""
    found = dict.fromkeys(name for values in by_layer.values() for name in values)
    without = {ERRORS.get(name) for name in found} | {name + AT_CHANCE for name in found}
    known = [*CHARACTERISTICS, *TITLES]
    places = {name: place for place, name in enumerate(known)}
    return sorted((name for name in found if name not in without), key=lambda name: places.get(name, len(known)))


def _by_layer(logged: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
    """Return {layer: {characteristic: values}} for layers with at least one known characteristic."""
    endings = sorted((*CHARACTERISTICS, *TITLES), key=len, reverse=True)
    layers: dict[str, dict[str, Sequence[float]]] = {}
    for key in logged:
        for name in endings:
            if key.startswith(PREFIX) and key.endswith(f"_{name}") and len(key) > len(PREFIX) + len(name) + 1:
                layers.setdefault(key[len(PREFIX) : -len(name) - 1], {})
                break
    for key, values in logged.items():
        # The longest matching layer name counts: "dense_1" rather than "dense".
        matching = [layer for layer in layers if key.startswith(f"{PREFIX}{layer}_")]
        if matching:
            longest = max(matching, key=len)
            layers[longest][key[len(PREFIX) + len(longest) + 1 :]] = values
    if not layers:
        raise ValueError(
            "Expected a history with keys `val_<layer>_<characteristic>`, as logged by CharacteristicsLogger. "
            f"Received: keys {list(logged)}"
        )
    return layers


def _chosen(logged: Sequence[str], layer: Any) -> list[str]:
    if layer is None:
        return list(logged)
    wanted: list[Any] = [getattr(one, "name", one) for one in (layer if isinstance(layer, (list, tuple)) else [layer])]
    if not wanted or any(not isinstance(name, str) or name not in logged for name in wanted):
        raise ValueError(f"Expected `layer` to be one of the logged layers, {list(logged)}. Received: layer={layer!r}")
    return list(dict.fromkeys(wanted))
