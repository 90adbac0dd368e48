"""What measuring a model takes in memory, by the shapes of its layers."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from keras_repreg.characteristics.definitions import CHARACTERISTICS

# Matrices of units times units, in float64, that an accumulator keeps, by what it needs; measured.
KEPT = {"pairs": 5, "covariance": 3}
# And that computing the results takes on top, once, for one layer at a time; with a report also pictures and findings.
RESULTS = {"pairs": 9, "covariance": 6}
REPORT = 6
# Rows that wait in an accumulator.
WAITING = 1024


def accumulator_bytes(width: int, names: Iterable[str]) -> float:
    """What the accumulator of a layer of so many units keeps for these characteristics."""
    return 8.0 * (_matrices(KEPT, names) * width**2 + WAITING * width)


def result_bytes(width: int, names: Iterable[str], report: bool) -> float:
    """What computing the characteristics from it takes for a moment."""
    return 8.0 * (_matrices(RESULTS, names) + REPORT * report) * width**2


def _matrices(table: dict[str, int], names: Iterable[str]) -> int:
    needs = frozenset().union(*(CHARACTERISTICS[name].needs for name in names))
    return max((number for need, number in table.items() if need in needs), default=0)


def output_shape(layer: Any) -> tuple[int, ...] | None:
    """The shape of a layer's first output for one sample, 1 for unknown lengths; None where it is not known."""
    try:
        output = keras.tree.flatten(layer.output)[0]
    except (AttributeError, ValueError, RuntimeError, IndexError):
        return None
    return tuple(int(n or 1) for n in output.shape[1:])


def width_of(shape: Sequence[int], units: str, channel_axis: int = -1) -> int:
    """The number of units of an output of this shape for one sample."""
    if units == "flatten" or not shape:
        return math.prod(shape)
    return shape[channel_axis - 1 if channel_axis > 0 else channel_axis]


def forward_bytes(model: Any) -> float:
    """What one sample's forward pass takes: Keras keeps the outputs of all layers until its end."""
    total = 0.0
    for layer in getattr(model, "layers", ()):
        inner = forward_bytes(layer)
        shape = output_shape(layer)
        total += inner or (4.0 * math.prod(shape) if shape else 0.0)
    return total
