"""Aggregate records of runs into rows of a table, and convert rows to and from CSV."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sweeps import records
from benchmarks.tables.correlation import array, spearman


def finished_of(found: Iterable[dict[str, Any]], **config: Any) -> list[dict[str, Any]]:
    """Return the results of the finished runs whose configuration has these values, in the order of the records."""
    return [
        record["result"]
        for record in found
        if record["status"] == records.FINISHED
        and all(record["config"].get(name) == value for name, value in config.items())
    ]


def summary(results: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> dict[str, Any]:
    """Return the number of trials and each column's mean and standard deviation; NaN without trials."""
    row: dict[str, Any] = {"trials": len(results)}
    for column in columns:
        row[f"{column}_mean"], row[f"{column}_std"] = mean_and_std([float(result[column]) for result in results])
    return row


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation: (NaN, NaN) without values, a deviation of 0 for a single one."""
    if not values:
        return math.nan, math.nan
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's correlation over the finite pairs; NaN for fewer than five, or if one side is constant."""
    pairs = [pair for pair in zip(a, b, strict=True) if all(map(math.isfinite, pair))]
    return float(spearman(array(pairs))) if len(pairs) >= 5 else math.nan


def as_csv(rows: Sequence[Mapping[str, Any]], comment: str = "") -> str:
    """Return rows as CSV, floats with six significant digits, after a comment line if `comment` is given."""
    file = io.StringIO()
    if comment:
        file.write(f"# {comment}\n")
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return file.getvalue()


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file written by `as_csv`, with or without a comment."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
