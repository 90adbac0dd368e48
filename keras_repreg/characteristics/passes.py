"""Group layers into passes over the data, so that the accumulators of a pass fit into memory."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import keras

from keras_repreg.characteristics.accumulator import Characteristics
from keras_repreg.rows import channel_axis, width_of

Item = TypeVar("Item")

# Bytes of accumulators per pass. The time of another `predict` is short relative to that of such large products.
BUDGET = 320 << 20


def bytes_held(layer: Any, samples: int, units: str, accumulator: Characteristics) -> int:
    """Return the bytes that the accumulator of a layer holds after these samples, 0 for an unknown shape."""
    try:
        shape = keras.tree.flatten(layer.output)[0].shape[1:]
    except (AttributeError, ValueError, IndexError):  # a layer without a graph, or called several times
        return 0
    if not shape or None in shape:
        return 0
    width = width_of(shape, units, channel_axis(layer))
    return accumulator.memory(width, samples=samples * math.prod(shape) // max(width, 1))


def groups_of(items: Sequence[Item], sizes: Sequence[float], budget: float) -> list[Sequence[Item]]:
    """Split items, in order, into groups that contain a single item or whose sizes sum to at most a budget.

    Examples:
        >>> from keras_repreg.characteristics.passes import groups_of
        >>> groups_of("abcd", [3, 2, 4, 9], budget=6)
        [['a', 'b'], ['c'], ['d']]
    """
    groups: list[list[Item]] = [[]]
    total = 0.0
    for item, size in zip(items, sizes, strict=True):
        if groups[-1] and total + size > budget:
            groups.append([])
            total = 0.0
        groups[-1].append(item)
        total += size
    return list(groups)
