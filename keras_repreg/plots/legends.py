"""Names in plots: legends that fit, and a colour bar for layers that are too many for a legend."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_repreg.plots import canvas, colours

# Lengths of names in characters, from the longest shown to the shortest that still distinguishes names.
LENGTHS = (32, 24, 16, 10, 6)
# With more layers than this, a colour bar replaces the legend.
MOST_LAYERS = 12
# The maximum fraction of the width of a figure for a legend beside the axes.
BESIDE = 0.45


def label(name: object, length: int = LENGTHS[0]) -> str:
    r"""Return a name for matplotlib: escaped, so that it is neither a formula nor hidden, and shortened in the middle.

    Examples:
        >>> label("block_3_branch_1_convolution", 16)
        'block_3_…olution'
        >>> print(label("_a$b"))
         _a\$b
    """
    text = str(name)
    if len(text) > length:
        head = length // 2
        text = f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"
    text = re.sub(r"(?<!\\)\$", r"\$", text)
    return f" {text}" if text.startswith("_") else text


def note(text: str, width: float) -> str:
    """Wrap a sentence to a `width` in inches in a small font."""
    return textwrap.fill(text, max(int(width * 15), 20))


def legend_above(figure: Any, handles: Sequence[Any], names: Sequence[object]) -> None:
    """Draw one legend above all panels, in as many columns as fit."""
    columns = min(len(names), 10)
    for length in LENGTHS:
        for ncols in range(columns if length == LENGTHS[0] else 1, 0, -1):
            legend = figure.legend(
                handles, [label(name, length) for name in names], loc="outside upper center", ncols=ncols,
                frameon=False, fontsize="small", handletextpad=0.5, columnspacing=1.2,
            )  # fmt: skip
            extent = legend.get_window_extent()
            if extent.width <= figure.bbox.width:
                _make_room(figure, extent.height)
                return
            legend.remove()
    # Narrower than any name, so no legend would be legible.


def _make_room(figure: Any, height: float) -> None:
    """Move the panels down if no layout engine does so."""
    if canvas.root_of(figure).get_layout_engine() is None:
        figure.subplots_adjust(top=max(1 - height / figure.bbox.height - 0.06, 0.3))


def legend_beside(ax: Any, handles: Sequence[Any], names: Sequence[object]) -> Any:
    """Draw a legend to the right of the axes, or inside them if no layout engine makes room beside them."""
    figure = ax.figure.figure
    outside = figure.get_layout_engine() is not None
    place = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if outside else {"loc": "best"}
    widest = BESIDE * ax.get_figure().bbox.width
    legend = None
    for length in LENGTHS:
        legend = ax.legend(
            handles, [label(name, length) for name in names], frameon=not outside, fontsize="small",
            handletextpad=0.5, **place,
        )  # fmt: skip
        if legend.get_window_extent().width <= widest:
            break
    return legend


def name_layers(figure: Any, axes: Sequence[Any], handles: Sequence[Any], names: Sequence[object]) -> None:
    """Name layers coloured by `colours.by_depth` in a legend, or on a colour bar if there are many.

    The legend is above several panels, and beside a single one.
    """
    if len(names) > MOST_LAYERS:
        depth_bar(figure, axes, names)
    elif len(axes) > 1:
        legend_above(figure, handles, names)
    else:
        legend_beside(axes[0], handles, names)


def depth_bar(figure: Any, axes: Sequence[Any], names: Sequence[object]) -> None:
    """Draw a colour bar of the layers from first to last, with some names."""
    library, number = canvas.matplotlib(), len(names)
    shades = library.colors.ListedColormap(colours.by_depth(number))
    mapped = library.cm.ScalarMappable(library.colors.Normalize(0.5, number + 0.5), shades)
    bar = figure.colorbar(mapped, ax=list(axes), aspect=40, pad=0.02)
    ticks = np.unique(np.linspace(1, number, 6).round().astype(int))
    bar.set_ticks(ticks, labels=[f"{tick}  {label(names[tick - 1], 20)}" for tick in ticks])
    bar.ax.tick_params(labelsize="small", length=2)
    bar.ax.invert_yaxis()
    bar.outline.set_visible(False)
