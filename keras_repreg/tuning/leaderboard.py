"""The results of a search as rows that print as a table."""

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np


class Leaderboard(list[dict[str, Any]]):
    """The rows of a `RegularizerSearch`, the best first: a list of dicts that prints as a table.

    The keys of each row are:

    - `regularization`, its `weight` or `rate` (None if it has none; the name of a cocktail includes its strengths);
    - the `score`, which is the mean of the objective over the executions, its `deviation` (sample standard deviation;
      NaN for a single execution) and the number of `executions`;
    - the `difference` from the first row, which is the mean over executions of the same seed, with its interval from
      `low` to `high`, and the `verdict`: "best", "worse" or "not told apart" (see `keras_repreg.tuning.compare`);
    - the `trial`, the number of `trials` with this regularization, the `status`, "completed" or "failed", and the
      `reason` for a failure;
    - the characteristics, if requested.

    Examples:
        >>> import keras_repreg
        >>> print(keras_repreg.tuning.Leaderboard([
        ...     {"regularization": "cw-VR", "weight": 1.0, "score": 0.9512, "trials": 3},
        ...     {"regularization": "Baseline", "weight": None, "score": 0.9, "trials": 1},
        ... ]))
        regularization  weight   score  trials
        cw-VR                1  0.9512       3
        Baseline                   0.9       1
    """

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as a plain list of dicts, for `pandas.DataFrame`."""
        return [dict(row) for row in self]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows to a CSV file, with empty cells for missing values."""
        columns = list(dict.fromkeys(name for row in self for name in row))
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: "" if _missing(value) else value for name, value in row.items()} for row in self)

    def __str__(self) -> str:
        if not self:
            return "no trials"
        header = list(self[0])
        cells = [header, *([_text(row[name]) for name in header] for row in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in cells
        ]
        return "\n".join(lines)


def _text(value: Any) -> str:
    if _missing(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))
