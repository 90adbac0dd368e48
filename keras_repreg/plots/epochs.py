"""The characteristics of layers over the epochs of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_repreg.characteristics import NAMES
from keras_repreg.plots import canvas

PREFIX = "val_"
# What InformationPlaneLogger logs, by the names that it has in the paper.
TITLES = {
    "zx": "I(z; x)",
    "zy": "I(z; y)",
    "zx_error": "I(z; x), standard error",
    "zy_error": "I(z; y), standard error",
    "zx_lower": "I(z; x), lower bound",
    "zx_upper": "I(z; x), upper bound",
    "zy_lower": "I(z; y), lower bound",
    "zy_upper": "I(z; y), upper bound",
}
# Drawn as bars of two standard errors, in the panel of the value.
ERRORS = {"zx": "zx_error", "zy": "zy_error"}


def characteristics_over_epochs(history: Any, layer: Any = None, *, figure: Any = None) -> Any:
    """What `CharacteristicsLogger` and `InformationPlaneLogger` logged, a panel a characteristic and a line a layer.

    Args:
        history: What `fit` returned, or its `history` dict, with keys `val_<layer>_<characteristic>`.
        layer: A layer, its name, or a list of these; by default all that were logged.
        figure: Draw into this empty Figure or SubFigure.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `figure` is none, or `history` not such a dict.
        ValueError: if the history has no characteristics, or none of the layer.

    Examples:
        >>> from keras_repreg import plots
        >>> history = {"loss": [2.0, 1.0], "val_hidden_stable_rank": [3.0, 2.5], "val_hidden_sparsity": [0.4, 0.5]}
        >>> figure = plots.characteristics_over_epochs(history)
        >>> [ax.get_title() for ax in figure.axes]
        ['stable rank', 'sparsity']
    """
    logged = getattr(history, "history", history)
    if not isinstance(logged, Mapping):
        raise TypeError(f"Expected `history` to be what `fit` returns, or its dict. Received: {history!r}")
    by_layer = _chosen(_by_layer(logged), layer)
    names = list(dict.fromkeys(name for values in by_layer.values() for name in values))
    names = [name for name in names if name not in {ERRORS.get(other) for other in names}]
    epochs = max(len(values) for values in logged.values())
    rows = -(-len(names) // 3)
    figure = canvas.figure_of(figure, 3 * min(len(names), 3) + 0.4, 2.1 * rows + 0.5)
    colours = canvas.colours(len(by_layer))
    handles: list[Any] = []
    for name, ax in zip(names, canvas.grid_of(figure, len(names), 3), strict=True):
        handles = []
        for k, (colour, values) in enumerate(zip(colours, by_layer.values(), strict=True)):
            series = np.asarray(values.get(name, []), dtype=np.float64)
            # Of a validation every few epochs there are fewer values than epochs.
            step = max(epochs // max(len(series), 1), 1)
            at = step * np.arange(1, len(series) + 1)
            (line,) = ax.plot(
                at, series, color=colour, linewidth=1.5, markersize=4,
                marker=canvas.MARKERS[k % len(canvas.MARKERS)], markevery=max(len(series) // 10, 1),
            )  # fmt: skip
            handles.append(line)
            if ERRORS.get(name) in values:
                errors = 2 * np.asarray(values[ERRORS[name]], dtype=np.float64)
                ax.errorbar(at, series, errors, fmt="none", ecolor=colour, elinewidth=1, alpha=0.6)
        ax.set_title(TITLES.get(name, name.replace("_", " ")), fontsize="medium")
        ax.xaxis.get_major_locator().set_params(integer=True)
        canvas.tidy(ax)
    figure.supxlabel("epoch", fontsize="medium")
    canvas.legend_above(figure, handles, list(by_layer))
    return figure


def _by_layer(logged: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
    """{layer: {characteristic: values}}; a layer is found by a name that is known, and may have others."""
    layers: dict[str, dict[str, Sequence[float]]] = {}
    for key in logged:
        for name in sorted((*NAMES, *TITLES), key=len, reverse=True):
            if key.startswith(PREFIX) and key.endswith(f"_{name}") and len(key) > len(PREFIX) + len(name) + 1:
                layers.setdefault(key[len(PREFIX) : -len(name) - 1], {})
                break
    for key, values in logged.items():
        # Of layers `dense` and `dense_1` the longer name counts.
        fitting = [layer for layer in layers if key.startswith(f"{PREFIX}{layer}_")]
        if fitting:
            longest = max(fitting, key=len)
            layers[longest][key[len(PREFIX) + len(longest) + 1 :]] = values
    if not layers:
        raise ValueError(
            "Expected a history with keys `val_<layer>_<characteristic>`, as CharacteristicsLogger leaves it. "
            f"Received: keys {list(logged)}"
        )
    return layers


def _chosen(by_layer: dict[str, Any], layer: Any) -> dict[str, Any]:
    if layer is None:
        return by_layer
    wanted: list[Any] = [getattr(one, "name", one) for one in (layer if isinstance(layer, (list, tuple)) else [layer])]
    if not wanted or any(not isinstance(name, str) or name not in by_layer for name in wanted):
        raise ValueError(f"Expected `layer` to be among {list(by_layer)}, which were logged. Received: layer={layer!r}")
    return {name: by_layer[name] for name in wanted}
