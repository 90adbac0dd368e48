"""Draw figures as PNG; plot measured against printed numbers."""

import io
import math
import os
from collections.abc import Callable
from typing import Any

from benchmarks.tables.table import Table, title
from keras_repreg.plots.colours import CATEGORIES

# One for each of the twelve regularizers.
MARKERS = "osD^v<>PX*hp"
COLORS = (*CATEGORIES, "#7f7f7f", "#8c6d1f")
LOGARITHMIC = ("amplitude", "covariance")


def drawn(draw: Callable[[Any], Any]) -> bytes:
    """Return the figure that `draw` creates with `matplotlib.pyplot`, as PNG."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    import matplotlib.pyplot as plt

    figure = draw(plt)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=180)
    plt.close(figure)
    return buffer.getvalue()


def against_paper(table: Table) -> bytes:
    """Plot measured against printed numbers: one panel per column, one point per row."""
    return drawn(lambda plt: _against_paper(plt, table))


def _against_paper(plt: Any, table: Table) -> Any:
    # As wide as a page, on which the text then has its own size.
    across = min(3, len(table.columns) + 1)
    down = math.ceil((len(table.columns) + 1) / across)
    figure, grid = plt.subplots(down, across, figsize=(3.2 * across, 2.9 * down), layout="constrained", squeeze=False)
    for axis in grid.flat[len(table.columns) :]:
        axis.set_axis_off()
    for axis, column in zip(grid.flat, table.columns, strict=False):
        xs = [table.printed(row, column) for row in table.rows]
        ys = [row[f"{column}_mean"] for row in table.rows]
        for i, row in enumerate(table.rows):
            axis.errorbar(
                xs[i], ys[i], yerr=row[f"{column}_std"], color=COLORS[i % len(COLORS)],
                marker=MARKERS[i % len(MARKERS)], markersize=6, capsize=2, linestyle="none", label=row[table.label],
            )  # fmt: skip
        finite = [value for pair in zip(xs, ys, strict=True) if all(map(math.isfinite, pair)) for value in pair]
        if column in LOGARITHMIC and finite and min(finite) > 0:
            axis.set_xscale("log")
            axis.set_yscale("log")
        if finite and min(finite) < max(finite):
            axis.axline((min(finite), min(finite)), (max(finite), max(finite)), color="0.6", linewidth=1, zorder=0)
        axis.set_title(title(column) + (" (%)" if column == "error" else ""))
        axis.set_xlabel("paper")
        axis.set_ylabel("measured")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    last = grid.flat[-1] if len(table.columns) < grid.size else figure
    last.legend(handles, labels, loc="center", ncols=2 if len(labels) > 6 else 1, frameon=False, columnspacing=1)
    return figure
