"""A table of the paper: measured numbers with the printed ones beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.tables.aggregate import rank_correlation
from benchmarks.tables.ties import best_and_tied

Paper = Mapping[str, Mapping[str, float]]
# The words for columns whose name with spaces does not read well.
WORDS = {
    "within_class_variance": "variance within classes",
    "class_wise_correlation": "correlation within a class",
    "classes_of_a_unit": "classes per unit",
    "zx": "I(z;x)",
    "zx_lower": "I(z;x), lower bound",
    "zx_upper": "I(z;x), upper bound",
    "zy": "I(z;y)",
    "zy_lower": "I(z;y), lower bound",
    "zy_upper": "I(z;y), upper bound",
    "zy_lower_conventional": "I(z;y), lower, conventional",
    "zy_upper_conventional": "I(z;y), upper, conventional",
    "pearson": "Pearson",
    "pearson_low": "Pearson, from",
    "pearson_high": "Pearson, to",
    "spearman": "Spearman",
    "spearman_low": "Spearman, from",
    "spearman_high": "Spearman, to",
}
# Labels of rows that are numbers or settings, and so need a heading; other rows are named by what they are.
HEADED = ("noise_variance", "noise")


@dataclass(frozen=True)
class Table:
    """Rows with a mean and a standard deviation per column, and the paper's number for each.

    Attributes:
        rows: Rows with a name under the key `label`, `trials`, and `<column>_mean` and `<column>_std`.
        columns: The columns, in order.
        paper: The printed numbers by row and column; numbers that the paper does not print are missing.
        label: Key of a row's name.
        shown: Additional keys of the rows, shown unchanged after the label.
        competition: Whether lower is better. If so, as in the paper, the best of each column is marked, and so are
            those whose range of mean and deviation overlaps with the best one's.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    paper: Paper = field(default_factory=dict)
    label: str = "regularizer"
    shown: Sequence[str] = ()
    competition: bool = False

    def printed(self, row: Mapping[str, Any], column: str) -> float:
        """Return the paper's number, or NaN if it prints none."""
        return float(self.paper.get(row[self.label], {}).get(column, math.nan))

    def spearman(self) -> dict[str, float]:
        """Return each column's rank correlation of measured and printed numbers; NaN for fewer than five rows."""
        return {
            column: rank_correlation(
                [float(row[f"{column}_mean"]) for row in self.rows], [self.printed(row, column) for row in self.rows]
            )
            for column in self.columns
        }

    def standing(self, row: Mapping[str, Any], column: str) -> str:
        """Return `best`, `tied` or ""; always "" unless `competition`."""
        if not self.competition or not math.isfinite(row[f"{column}_mean"]):
            return ""
        best, tied = best_and_tied(
            {other[self.label]: (other[f"{column}_mean"], other[f"{column}_std"]) for other in self.rows}
        )
        return "best" if row[self.label] == best else "tied" if row[self.label] in tied else ""

    def feet(self) -> list[tuple[str, dict[str, str]]]:
        """Return the lines below the rows: a name, and one text per column."""
        feet = []
        if self.competition:
            feet.append(("Best improvement", {column: self._improvement(column) for column in self.columns}))
        if self.paper:
            correlations = self.spearman()
            if not all(map(math.isnan, correlations.values())):
                feet.append(("Spearman", {column: cell(value) for column, value in correlations.items()}))
        return feet

    def _improvement(self, column: str) -> str:
        """Return by how much the best improves on the baseline (the last line in the paper), and the paper's value."""
        means = {row[self.label]: float(row[f"{column}_mean"]) for row in self.rows}
        printed = {row[self.label]: self.printed(row, column) for row in self.rows}
        ours, theirs = (
            values["Baseline"] - min(filter(math.isfinite, values.values()), default=math.nan)
            for values in (means, printed)
        )
        return f"{cell(ours)} ({cell(theirs)})"


def cell(value: float, std: float | None = None) -> str:
    """Format with two decimals as in the paper, or one for large numbers; a nonzero `std` follows after ±."""
    if math.isnan(value):
        return "–"
    digits = 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}" + (f"±{std:.{digits}f}" if std else "")


def title(column: str) -> str:
    """Return a column's name in words."""
    return WORDS.get(column, column.replace("_", " "))


def shown(value: Any) -> str:
    """Format an additional value of a row, such as a loss weight; 0 becomes ""."""
    return (f"{value:g}" if value else "") if isinstance(value, float | int) else str(value)


def as_text(table: Table) -> str:
    """Return plain text with cells `measured | paper`; the best of competing rows has a `*`, tied ones a `+`."""
    several = any(row["trials"] > 1 for row in table.rows)
    lines = [[title(table.label).capitalize(), *map(title, table.shown), *map(title, table.columns)]]
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
    """Return Markdown with cells `measured (paper)`; the best of competing rows is bold, tied ones are starred."""
    label = title(table.label) if table.label in HEADED else ""
    header = [label, *map(title, table.shown), *map(title, table.columns)]
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
