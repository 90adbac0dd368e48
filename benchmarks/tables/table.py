"""A table of the paper: what was measured, and beside it what the paper prints."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.tables.aggregate import rank_correlation
from benchmarks.tables.ties import best_and_tied

Paper = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Table:
    """Rows with a mean and a deviation per column, and the paper's number for each.

    Attributes:
        rows: Each with its name under `label`, with `trials`, and with `<column>_mean` and `<column>_std`.
        columns: In this order.
        paper: The printed numbers by row and column; what is missing is not in the paper.
        label: What the rows are, as a key of each.
        shown: Further keys of the rows, shown after the label as they are.
        competition: Whether lower is better and the rows compete in each column: the best is marked and so is
            every other whose range of mean and deviation overlaps with the best one's, as in the paper.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    paper: Paper = field(default_factory=dict)
    label: str = "regularizer"
    shown: Sequence[str] = ()
    competition: bool = False

    def printed(self, row: Mapping[str, Any], column: str) -> float:
        """The paper's number; NaN where it prints none."""
        return float(self.paper.get(row[self.label], {}).get(column, math.nan))

    def spearman(self) -> dict[str, float]:
        """Spearman's rank correlation between measured and printed over the rows, per column; NaN below five."""
        return {
            column: rank_correlation(
                [float(row[f"{column}_mean"]) for row in self.rows], [self.printed(row, column) for row in self.rows]
            )
            for column in self.columns
        }

    def standing(self, row: Mapping[str, Any], column: str) -> str:
        """`best` or `tied` where the rows compete, else nothing."""
        if not self.competition or not math.isfinite(row[f"{column}_mean"]):
            return ""
        best, tied = best_and_tied(
            {other[self.label]: (other[f"{column}_mean"], other[f"{column}_std"]) for other in self.rows}
        )
        return "best" if row[self.label] == best else "tied" if row[self.label] in tied else ""

    def feet(self) -> list[tuple[str, dict[str, str]]]:
        """The lines below the rows: a name, and a text per column."""
        feet = []
        if self.competition:
            feet.append(("Best improvement", {column: self._improvement(column) for column in self.columns}))
        if self.paper:
            correlations = self.spearman()
            if not all(map(math.isnan, correlations.values())):
                feet.append(("Spearman", {column: cell(value) for column, value in correlations.items()}))
        return feet

    def _improvement(self, column: str) -> str:
        """How far the best is below the baseline, as the tables of the paper end, and what the paper has there."""
        means = {row[self.label]: float(row[f"{column}_mean"]) for row in self.rows}
        printed = {row[self.label]: self.printed(row, column) for row in self.rows}
        ours, theirs = (
            values["Baseline"] - min(filter(math.isfinite, values.values()), default=math.nan)
            for values in (means, printed)
        )
        return f"{cell(ours)} ({cell(theirs)})"


def cell(value: float, std: float | None = None) -> str:
    """Two decimals as in the paper, one for large numbers; `std` after a ±, where there is one."""
    if math.isnan(value):
        return "–"
    digits = 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}" + (f"±{std:.{digits}f}" if std else "")


def title(column: str) -> str:
    """A column's name in words."""
    return column.replace("_", " ")


def shown(value: Any) -> str:
    """A further value of a row, such as a loss weight; nothing for 0."""
    return (f"{value:g}" if value else "") if isinstance(value, float | int) else str(value)


def as_text(table: Table) -> str:
    """Cells read `measured | paper`; the best of competing rows has a `*`, those tied with it a `+`."""
    several = any(row["trials"] > 1 for row in table.rows)
    lines = [[title(table.label).capitalize(), *table.shown, *map(title, table.columns)]]
    for row in table.rows:
        line = [str(row[table.label]), *(shown(row[key]) for key in table.shown)]
        for column in table.columns:
            text = cell(row[f"{column}_mean"], row[f"{column}_std"] if several else None)
            text += {"best": "*", "tied": "+", "": ""}[table.standing(row, column)]
            line.append(f"{text} | {cell(table.printed(row, column))}" if table.paper else text)
        lines.append(line)
    body = len(lines)
    lines += [
        [name, *("" for _ in table.shown), *(texts[column] for column in table.columns)] for name, texts in table.feet()
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    names = 1 + len(table.shown)
    aligned = [
        "  ".join(value.ljust(width) if i < names else value.rjust(width) for i, (value, width) in enumerate(
            zip(line, widths, strict=True)))
        for line in lines
    ]  # fmt: skip
    rule = "-" * len(aligned[0])
    return "\n".join([aligned[0], rule, *aligned[1:body], *([rule, *aligned[body:]] if aligned[body:] else [])])


def as_markdown(table: Table, *, deviations: bool = False) -> str:
    """For a page: measured (printed), the best of competing rows bold, those tied with it starred."""
    header = ["", *table.shown, *map(title, table.columns)]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for row in table.rows:
        line = [row[table.label], *(shown(row[key]) for key in table.shown)]
        for column in table.columns:
            text = cell(row[f"{column}_mean"], row[f"{column}_std"] if deviations else None)
            text = {"best": f"**{text}**", "tied": rf"{text}\*", "": text}[table.standing(row, column)]
            line.append(f"{text} ({cell(table.printed(row, column))})" if table.paper else text)
        lines.append(line)
    for name, texts in table.feet():
        lines.append([f"*{name}*", *("" for _ in table.shown), *(f"*{texts[column]}*" for column in table.columns)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
