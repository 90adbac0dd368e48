"""Measured beside paper: as text for the terminal, and as one self-contained HTML page with plots."""

import base64
import io
import math
import os
from collections.abc import Sequence
from typing import Any

Rows = list[dict[str, Any]]
Paper = dict[str, dict[str, float]]


def cell(value: float, std: float | None = None) -> str:
    """Two decimals as in the paper, one for large numbers; `std` after a ±, where there is one."""
    if math.isnan(value):
        return "–"
    digits = 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}" + (f"±{std:.{digits}f}" if std else "")


def as_text(rows: Rows, paper: Paper, columns: Sequence[str]) -> str:
    """A table whose cells read `measured | paper`, and below it the rank correlation of each column."""
    several = any(row["trials"] > 1 for row in rows)
    header = ["Regularizer", "weight", *(column.replace("_", " ") for column in columns)]
    lines = [header]
    for row in rows:
        name = row["regularizer"]
        line = [name, f"{row['weight']:g}" if row["weight"] else ""]
        for column in columns:
            std = row[f"{column}_std"] if several else None
            line.append(f"{cell(row[f'{column}_mean'], std)} | {cell(paper[name][column])}")
        lines.append(line)
    correlations = spearman(rows, paper, columns)
    lines.append(["Spearman", "", *(f"{correlations[column]:.2f}" for column in columns)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = [
        "  ".join(value.ljust(width) if i < 2 else value.rjust(width) for i, (value, width) in enumerate(
            zip(line, widths, strict=True)))
        for line in lines
    ]  # fmt: skip
    rule = "-" * len(text[0])
    return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


def as_markdown(rows: Rows, paper: Paper, columns: Sequence[str]) -> str:
    """The table for a page: in each cell the measured mean, and the paper's number in parentheses."""
    header = ["", "weight", *(column.replace("_", " ") for column in columns)]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for row in rows:
        name = row["regularizer"]
        cells = [f"{cell(float(row[f'{column}_mean']))} ({cell(paper[name][column])})" for column in columns]
        weight = float(row["weight"])
        lines.append([name, f"{weight:g}" if weight else "", *cells])
    correlations = spearman(rows, paper, columns)
    lines.append(["*Spearman*", "", *(f"*{correlations[column]:.2f}*" for column in columns)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spearman(rows: Rows, paper: Paper, columns: Sequence[str]) -> dict[str, float]:
    """Spearman's rank correlation between measured and paper over the rows, per column."""
    from scipy.stats import spearmanr

    return {
        column: float(
            spearmanr(
                [row[f"{column}_mean"] for row in rows],
                [paper[row["regularizer"]][column] for row in rows],
                nan_policy="omit",
            ).statistic
        )
        for column in columns
    }


def scatter_png(rows: Rows, paper: Paper, columns: Sequence[str]) -> bytes:
    """Measured against paper, one panel a column, a point a regularizer; the diagonal is agreement."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    import matplotlib.pyplot as plt

    across = 4
    down = math.ceil(len(columns) / across)
    figure, grid = plt.subplots(down, across, figsize=(4 * across, 3.8 * down), layout="constrained")
    for axis in grid.flat[len(columns) :]:
        axis.set_axis_off()
    # Twelve of each.
    markers, colors = "osD^v<>PX*hp", [*(f"C{i}" for i in range(10)), "black", "darkgoldenrod"]
    for axis, column in zip(grid.flat, columns, strict=False):
        xs = [paper[row["regularizer"]][column] for row in rows]
        ys = [row[f"{column}_mean"] for row in rows]
        errors = [row[f"{column}_std"] for row in rows]
        for i, row in enumerate(rows):
            axis.errorbar(
                xs[i], ys[i], yerr=errors[i], color=colors[i % len(colors)], marker=markers[i % len(markers)],
                markersize=6, capsize=2, linestyle="none", label=row["regularizer"],
            )  # fmt: skip
        finite = [value for value in xs + ys if math.isfinite(value)]
        if column in ("amplitude", "covariance") and min(finite) > 0:
            axis.set_xscale("log")
            axis.set_yscale("log")
        axis.axline((min(finite), min(finite)), (max(finite), max(finite)), color="0.6", linewidth=1, zorder=0)
        axis.set_title(column.replace("_", " ") + (" (%)" if column == "error" else ""))
        axis.set_xlabel("paper")
        axis.set_ylabel("measured")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", ncols=2, bbox_to_anchor=(0.98, 0.08), frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return buffer.getvalue()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
 body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }
 .wide { overflow-x: auto }
 table { border-collapse: collapse; white-space: nowrap }
 th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
 th:first-child, td:first-child { text-align: left }
 thead th { border-bottom: 2px solid #555 }
 td small { color: #777; display: block }
 tfoot td { border-top: 2px solid #555; border-bottom: 0 }
 img { max-width: 100%; margin-top: 1rem }
 .note { color: #555 }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ claim }}</p>
<p class="note">In each cell: measured here (mean ± standard deviation), and below it what the paper prints.</p>
<div class="wide"><table>
<thead><tr><th>Regularizer</th><th>weight</th><th>trials</th>
{% for column in columns %}<th>{{ column.replace("_", " ") }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}
<tr><td>{{ row.regularizer }}</td><td>{{ "%g"|format(row.weight) if row.weight else "" }}</td><td>{{ row.trials }}</td>
{% for column in columns %}<td>{{ cell(row[column ~ "_mean"], row[column ~ "_std"]) }}
<small>{{ cell(paper[row.regularizer][column]) }}</small></td>{% endfor %}</tr>{% endfor %}
</tbody>
<tfoot><tr><td>Spearman</td><td></td><td></td>
{% for column in columns %}<td>{{ "%.2f"|format(correlations[column]) }}</td>{% endfor %}</tr></tfoot>
</table></div>
<img src="data:image/png;base64,{{ png }}" alt="Measured against paper, one panel a characteristic">
<p class="note">{{ setting }}</p>
</body></html>
"""


def as_html(
    rows: Rows, paper: Paper, columns: Sequence[str], *, title: str, claim: str, setting: str, png: bytes
) -> str:
    """The page: title, claim, the table, measured against paper as plots (a PNG), and how it was made."""
    import jinja2

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_PAGE)
    return template.render(
        rows=rows,
        paper=paper,
        columns=columns,
        cell=cell,
        title=title,
        claim=claim,
        setting=setting,
        correlations=spearman(rows, paper, columns),
        png=base64.b64encode(png).decode(),
    )
