"""Spearman's and Pearson's correlation of each characteristic with the error, with intervals: the one yardstick."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.claims.evidence import measured
from benchmarks.claims.page import table
from benchmarks.claims.section5 import statistics
from benchmarks.claims.verdicts import Rows
from benchmarks.tables.correlation import array, bootstrap, pearson, spearman

CHOICES = {"validation": "table6_by_validation", "nearest": "table6"}
INFORMATION = {"I(z;x), lower bound": "zx_lower", "I(z;x), value": "zx", "I(z;x), upper bound": "zx_upper"}


def quantities(folder: Path, choice: str) -> dict[str, list[tuple[float, float]]]:
    """Return pairs of each characteristic and the error over the regularizers, as far as they were published."""
    found: dict[str, list[tuple[float, float]]] = {}
    rows = measured(folder, CHOICES[choice])
    if rows:
        errors = [row["error"] for row in rows.values()]
        found = {name: list(zip(values, errors, strict=True)) for name, values in statistics(rows).items()}
    for variance, information in _by_noise(folder, choice).items():
        for name, column in INFORMATION.items():
            pairs = [(row[column], row["error"]) for row in information.values()]
            found[f"{name}, noise variance {variance}"] = pairs
    return found


def _by_noise(folder: Path, choice: str) -> dict[str, Rows]:
    """Return the rows of Figure 4 by noise variance: of the table of all levels, or of the one that is shown."""
    levels = measured(folder, "figure4_levels")
    if levels:
        found: dict[str, dict[str, dict[str, float]]] = {}
        for row in levels.values():
            if row["weights"] == choice:
                found.setdefault(f"{row['noise_variance']:g}", {})[row["regularizer"]] = dict(row)
        return dict(found)
    shown = measured(folder, "figure4")
    return {"1": shown} if shown and choice == "nearest" else {}


def as_markdown(folder: Path) -> str:
    """Return a table with a row for each characteristic; empty where nothing was published."""
    by_choice = {choice: quantities(folder, choice) for choice in CHOICES}
    names = dict.fromkeys(name for found in by_choice.values() for name in found)
    if not names:
        return ""
    header = ["", *(f"{kind}, {choice}" for choice in CHOICES for kind in ("Pearson", "Spearman"))]
    rows = []
    for name in names:
        row = [name]
        for choice in CHOICES:
            pairs = by_choice[choice].get(name)
            row += [_cell(pairs, statistic) if pairs else "–" for statistic in (pearson, spearman)]
        rows.append(row)
    return table(header, rows)


def _cell(pairs: list[tuple[float, float]], statistic: Callable[[Any], Any]) -> str:
    points = array(pairs)
    low, high = bootstrap(points, statistic)
    return f"{float(statistic(points)):.2f} ({low:.2f} to {high:.2f})"
