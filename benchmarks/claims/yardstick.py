"""One yardstick for every claim that something is, or is not, related to something else.

Pearson's and Spearman's correlation, each with a 95% interval by the bootstrap over regularizers. A relationship is
strong if a correlation is at least 0.7 in size and its interval excludes 0. What is claimed to be strong holds if both
correlations are, and in part if one is. What is claimed to be unrelated holds if the intervals of both exclude 0.7 on
either side, and in part if not both are strong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.claims.verdicts import Finding, graded
from benchmarks.tables.correlation import array, bootstrap, pearson, spearman

STRONG = 0.7
# The least true correlation at which twelve points are strong in both senses in 95% of cases.
SURE = 0.95
RESAMPLES = 1000
# With more relationships than this, only the strong ones are shown with their intervals.
MANY = 3


@dataclass(frozen=True)
class Relation:
    """Both correlations of pairs with their intervals, each as (value, low, high)."""

    pearson: tuple[float, float, float]
    spearman: tuple[float, float, float]

    @property
    def both(self) -> tuple[tuple[float, float, float], ...]:
        """The two correlations; one that was not published is left out."""
        return tuple(one for one in (self.pearson, self.spearman) if not math.isnan(one[0]))

    def __str__(self) -> str:
        return " and ".join(f"{value:.2f} ({low:.2f} to {high:.2f})" for value, low, high in self.both)


def relation(pairs: Any) -> Relation:
    """Measure both correlations of pairs; one of a constant is 0."""
    points = array(pairs)

    def measured(statistic: Any) -> tuple[float, float, float]:
        value = float(statistic(points))
        return (0.0, 0.0, 0.0) if math.isnan(value) else (value, *bootstrap(points, statistic, RESAMPLES))

    return Relation(measured(pearson), measured(spearman))


def is_strong(one: tuple[float, float, float], sign: int = 0) -> bool:
    """Whether a correlation is strong, of the given sign or, with 0, of either."""
    value, low, high = one
    positive, negative = value >= STRONG and low > 0, value <= -STRONG and high < 0
    return (positive and sign >= 0) or (negative and sign <= 0)


def is_excluded(one: tuple[float, float, float]) -> bool:
    """Whether the interval excludes a strong correlation."""
    return one[1] > -STRONG and one[2] < STRONG


def unrelated(found: Mapping[str, Relation]) -> Finding:
    """Judge the claim that none of some relationships is strong."""
    strong = [name for name, one in found.items() if all(map(is_strong, one.both))]
    open_ = [name for name, one in found.items() if not all(map(is_excluded, one.both))]
    text = "; ".join(f"{name}: {one}" for name, one in found.items())
    if len(found) > MANY:
        others = [
            f"{name} {' and '.join(f'{one[0]:.2f}' for one in found[name].both)}"
            for name in found
            if name not in strong
        ]
        text = f"both strong: {', '.join(f'{name} {found[name]}' for name in strong) or 'none'}"
        text += f"; not both: {', '.join(others)}" if others else ""
    return graded(not open_, not strong), text
