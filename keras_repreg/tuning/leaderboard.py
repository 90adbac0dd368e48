"""The results of a search as rows that print as a table."""

from typing import Any

import numpy as np


class Leaderboard(list[dict[str, Any]]):
    """Rows of a `RegularizerSearch`, the best first; a list of dicts that prints as a table.

    The keys of each: `regularization`, its `weight` or `rate` (None if it has none), the `score`, which is the mean
    of the objective over the executions, its `deviation` (sample standard deviation; NaN of a single execution),
    the number of `executions`, the `trial` and the number of `trials` with this regularization; and the
    characteristics, if asked for.

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
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
