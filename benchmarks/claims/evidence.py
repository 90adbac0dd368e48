"""The numbers that claims are held against: tables published by the commands, and those that the paper prints."""

import math
from pathlib import Path

from benchmarks import paper
from benchmarks.claims.verdicts import Rows
from benchmarks.tables import published
from benchmarks.tables.table import Table

TRIALS = 5


def measured(folder: Path, name: str) -> Rows | None:
    """Return the rows of a published table; None where it was not run."""
    path = folder / f"{name}.json"
    return rows_of(published.read(path).table) if path.is_file() else None


def rows_of(table: Table) -> Rows:
    """Return means by row and column, standard deviations under `<column>_std`, and the number of trials.

    Rows are named by their label or, where labels repeat, by all that distinguishes them, which is then beside the
    means.
    """
    means = [
        {column: row[f"{column}_mean"] for column in table.columns}
        | {f"{column}_std": row[f"{column}_std"] for column in table.columns}
        | {"trials": int(row.get("trials", 1))}
        for row in table.rows
    ]
    labels = [str(row[table.label]) for row in table.rows]
    if len(set(labels)) == len(labels):
        return dict(zip(labels, means, strict=True))
    known = [{key: row[key] for key in (table.label, *table.shown)} for row in table.rows]
    return {" ".join(map(str, key.values())): key | mean for key, mean in zip(known, means, strict=True)}


def printed(name: str, spread: Rows | None = None) -> Rows | None:
    """Return the paper's rows of a table; None for a figure.

    Tables 2, 3 and 6 are printed without a spread. That of Table 6's errors is in Table 8, of the same networks; for
    the rest, the relative spread measured here is used.

    Args:
        name: Of the table.
        spread: The measured rows.
    """
    if name == "figure4_intervals":
        return _printed_correlations()
    rows = paper.printed(name)
    if not rows:
        return None
    errors = paper.printed("table8") if name == "table6" else {}
    found = {}
    for label, values in rows.items():
        row: dict[str, float] = dict(values)
        for column, value in values.items():
            if column.endswith("_std") or f"{column}_std" in values:
                continue
            ours = (spread or {}).get(label, {})
            relative = ours.get(f"{column}_std", 0.0) / ours[column] if ours.get(column) else 0.0
            row[f"{column}_std"] = abs(value) * relative
        if label in errors:
            row["error_std"] = errors[label]["default_std"]
        found[label] = row | {"trials": TRIALS}
    return found


def _printed_correlations() -> Rows:
    """Return the two correlations that section 5 prints, with Fisher's 95% intervals for twelve regularizers."""
    rows = {}
    for name, value in paper.figure4().items():
        low, high = (math.tanh(math.atanh(value) + side * 1.96 / math.sqrt(12 - 3)) for side in (-1, 1))
        row = {"pearson": value, "pearson_low": low, "pearson_high": high, "trials": TRIALS}
        rows[name.replace("_", " ")] = row | dict.fromkeys(("spearman", "spearman_low", "spearman_high"), math.nan)
    return rows
