"""The paper's rule for ties: a range of mean and standard deviation that overlaps with the best one's."""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def best_and_tied(values: Mapping[Name, tuple[float, float]]) -> tuple[Name | None, set[Name]]:
    """Return the name with the lowest mean, and the names that are tied with it.

    Args:
        values: Mean and standard deviation by name. Values that are not finite are ignored.

    Returns:
        The best (the first of equals; None if no value is finite), and the set of the others that are tied with it.
    """
    finite = {name: value for name, value in values.items() if math.isfinite(value[0])}
    if not finite:
        return None, set()
    best = min(finite, key=lambda name: finite[name][0])
    highest = sum(finite[best])
    return best, {name for name, (mean, std) in finite.items() if mean - std <= highest} - {best}
