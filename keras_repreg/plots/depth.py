"""Plot characteristics of the layers of one or several networks against depth."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.definitions import AT_CHANCE, CHARACTERISTICS
from keras_repreg.plots import canvas, colours, legends

COLUMNS = 3
# With more layers than this, the axis shows numbers instead of names.
NAMED = 12
# Positive values that differ by more than this factor have a logarithmic axis.
LOGARITHMIC = 30.0


def by_layer(tables: Any, characteristics: str | Sequence[str] | None = None, *, figure: Any = None) -> Any:
    """Plot characteristics against depth, with one panel per characteristic and one line per model.

    Positive values that differ by more than a factor of 30 have a logarithmic axis. Values at chance, from
    `keras_repreg.measure(..., chance=True)`, are dash-dotted lines in the colour of the model.

    Args:
        tables: The result of `keras_repreg.measure`, or a mapping from layers, in order from input to output, to
            results of `keras_repreg.characterize`; or several of these by name, as in `{"baseline": table, ...}`.
        characteristics: Names of characteristics; by default all numbers in the tables.
        figure: Draw into this empty Figure or SubFigure.

    Returns:
        The Figure.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: if `figure` is not a figure, or the tables are not mappings of mappings.
        ValueError: if a table has no layers, or no value of a characteristic is a number.

    Examples:
        >>> from keras_repreg import plots
        >>> baseline = {"first": {"stable_rank": 2.1, "sparsity": 0.3}, "second": {"stable_rank": 2.4, "sparsity": 0.3}}
        >>> penalized = {"first": {"stable_rank": 3, "sparsity": 0.4}, "second": {"stable_rank": 6.8, "sparsity": 0.5}}
        >>> figure = plots.by_layer({"baseline": baseline, "CR": penalized})
        >>> [ax.get_title() for ax in figure.axes]
        ['stable rank', 'sparsity']
    """
    models = _models(tables)
    layers = _merged([list(table) for table in models.values()])
    names = _chosen(models, characteristics)
    rows, columns = -(-len(names) // COLUMNS), min(len(names), COLUMNS)
    figure = canvas.figure_of(figure, 3.1 * columns + 0.4, 2.2 * rows + 1.0)
    axes = canvas.grid_of(figure, len(names), COLUMNS)
    shades = colours.of_categories(len(models))
    chance = False
    for name, ax in zip(names, axes, strict=True):
        drawn = [_values(table, layers, name) for table in models.values()]
        for k, values in enumerate(drawn):
            ax.plot(
                np.arange(1, len(layers) + 1), values, color=shades[k], marker=colours.marker(k), linewidth=1.6,
                markersize=4.5 if len(layers) <= 30 else 2.5, clip_on=False, zorder=3,
            )  # fmt: skip
        for k, table in enumerate(models.values()):
            if any(name + AT_CHANCE in row for row in table.values()):
                chance = True
                at_chance = _values(table, layers, name + AT_CHANCE)
                ax.plot(
                    np.arange(1, len(layers) + 1), at_chance, color=shades[k], linewidth=1.1,
                    linestyle=colours.DASHES["chance"],
                )  # fmt: skip
                drawn.append(at_chance)
        _scale(ax, np.concatenate(drawn), name)
        ax.set_title(legends.label(title(name)), fontsize="medium")
        canvas.tidy(ax)
    _name_depth(figure, axes, layers, columns)
    _name_models(figure, list(models), shades, chance)
    return figure


def title(name: str) -> str:
    """Return the name of a characteristic as a title."""
    return name.replace("_", " ")


def _models(tables: Any) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """Return {name of the model, or "" for a single one: its table}."""
    if not isinstance(tables, Mapping):
        raise TypeError(f"Expected `tables` to be a table of layers, or tables by name. Received: {tables!r}")
    nested = [row for table in tables.values() if isinstance(table, Mapping) for row in table.values()]
    several = any(isinstance(row, Mapping) for row in nested)
    models = {str(name): table for name, table in tables.items()} if several else {"": tables}
    for name, table in models.items():
        if not table or not isinstance(table, Mapping):
            raise ValueError(f"Expected at least one layer of each model. Received: {name!r}: {table!r}")
        for layer, row in table.items():
            if not isinstance(row, Mapping):
                raise TypeError(
                    "Expected a mapping from layers to their characteristics, as returned by `keras_repreg.measure`. "
                    f"Received: {layer!r}: {row!r}"
                )
    return models


def _merged(orders: Sequence[Sequence[str]]) -> list[str]:
    """Return all layers; layers that only a later model has keep their place in that model."""
    merged: list[str] = []
    for order in orders:
        place = 0
        for layer in order:
            if layer not in merged:
                merged.insert(place, layer)
            place = merged.index(layer) + 1
    return merged


def _chosen(models: Mapping[str, Mapping[str, Mapping[str, Any]]], characteristics: Any) -> list[str]:
    rows = [row for table in models.values() for row in table.values()]
    known = list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_number(value)))
    if characteristics is None:
        chosen = [name for name in known if not name.endswith(AT_CHANCE)]
    elif isinstance(characteristics, (list, tuple)):
        chosen = list(characteristics)
    else:
        chosen = [characteristics]
    if not chosen or any(not isinstance(name, str) or name not in known for name in chosen):
        raise ValueError(
            f"Expected `characteristics` to be among the numbers in the tables, {known}. "
            f"Received: characteristics={characteristics!r}"
        )
    return list(dict.fromkeys(chosen))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _values(table: Mapping[str, Mapping[str, Any]], layers: Sequence[str], name: str) -> NDArray[np.float64]:
    """Return the values by layer, with NaN for missing and non-finite values."""
    found: list[Any] = [table.get(layer, {}).get(name) for layer in layers]
    values = np.array([float(value) if _is_number(value) else np.nan for value in found])
    return np.where(np.isfinite(values), values, np.nan)


def _scale(ax: Any, values: NDArray[np.float64], name: str) -> None:
    """Use a logarithmic axis if values differ by orders of magnitude, otherwise an axis that includes zero."""
    values = values[np.isfinite(values)]
    if not values.size:
        return
    smallest, largest = float(values.min()), float(values.max())
    share = name in CHARACTERISTICS and CHARACTERISTICS[name].bounds == (0, 1)
    if smallest > 0 and largest > LOGARITHMIC * smallest and not share:
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(canvas.matplotlib().ticker.NullFormatter())
    elif smallest >= 0:
        ax.set_ylim(0, 1.08 * largest if largest else 1)


def _name_depth(figure: Any, axes: Sequence[Any], layers: Sequence[str], columns: int) -> None:
    places = np.arange(1, len(layers) + 1)
    labels = [legends.label(layer, 18) for layer in layers]
    # About 5.5 points per character, of 190 per panel.
    crowded = max(map(len, labels)) * len(labels) * 5.5 > 190
    for k, ax in enumerate(axes):
        ax.set_xlim(0.7, len(layers) + 0.3)
        if len(layers) > NAMED:
            ax.xaxis.get_major_locator().set_params(integer=True)
        elif k + columns < len(axes):
            ax.set_xticks(places, labels=[])
        elif crowded:
            ax.set_xticks(places, labels=labels, rotation=40, ha="right", rotation_mode="anchor", fontsize="small")
        else:
            ax.set_xticks(places, labels=labels, fontsize="small")
    ends = f": 1 is {legends.label(layers[0])}, {len(layers)} is {legends.label(layers[-1])}"
    figure.supxlabel(f"layer, from input to output{ends if len(layers) > NAMED else ''}", fontsize="medium")


def _name_models(figure: Any, names: Sequence[str], shades: Sequence[Any], chance: bool) -> None:
    line = canvas.matplotlib().lines.Line2D
    handles = [
        line([], [], color=shade, marker=colours.marker(k), linewidth=1.6, markersize=4.5)
        for k, shade in enumerate(shades)
    ]
    shown = list(names)
    if shown == [""]:
        handles, shown = [], []
    if chance:
        handles.append(line([], [], color="0.3", linewidth=1.1, linestyle=colours.DASHES["chance"]))
        shown.append("at chance")
    if shown:
        legends.legend_above(figure, handles, shown)
