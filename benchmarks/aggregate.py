"""From records of runs to rows of a table, and to CSV."""

import csv
import io
import math
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks import records


def finished_of(found: Iterable[dict[str, Any]], regularizer: str, weight: float) -> list[dict[str, Any]]:
    """The results of the runs with this regularizer and weight that finished, in the order of the records."""
    return [
        record["result"]
        for record in found
        if record["status"] == records.FINISHED
        and (record["config"]["regularizer"], record["config"]["weight"]) == (regularizer, weight)
    ]


def mean_and_std(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; (NaN, NaN) without values, a deviation of 0 for a single one."""
    if not values:
        return math.nan, math.nan
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV, floats with six significant digits."""
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return file.getvalue()
