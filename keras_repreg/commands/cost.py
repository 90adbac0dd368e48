"""Estimate the memory for measuring a model from the shapes of its layers.

The factors are the peak memory reported by `tracemalloc` while float32 activations of 512 units, for 400 and 2,304
samples, with and without ReLU, are added to an accumulator and its characteristics are computed, in units of 512 x 512
float64 matrices, rounded up. `tests/commands/test_cost.py` repeats the measurement for other sizes.
"""

import math
from collections.abc import Iterable
from typing import Any

import keras

from keras_repreg.characteristics import Characteristics
from keras_repreg.characteristics.definitions import needs_of

# The number of temporary M x M float64 matrices besides the accumulator, by the needs of the characteristics: while a
# batch is added (pairs: 5.1, otherwise 3) and while results are computed (pairs: 9.4, covariance: 5.8, norms: 1.9).
# Only one layer at a time needs them.
RESULTS = {"pairs": 10, "covariance": 6, "norms": 4}
# A report also needs the correlations, their magnitudes and the part that is drawn.
REPORT = 6


def accumulator_bytes(width: int, names: Iterable[str], classes: int = 0) -> float:
    """Return the maximum size of the accumulator of a layer for these characteristics."""
    return Characteristics(characteristics=list(names)).memory(width, classes)


def result_bytes(width: int, names: Iterable[str], report: bool) -> float:
    """Return the temporary memory for computing the characteristics."""
    needs = {need.removeprefix("class ") for need in needs_of(names)}
    matrices = max((number for need, number in RESULTS.items() if need in needs), default=0)
    return 8.0 * (matrices + REPORT * report) * width**2


def output_shape(layer: Any) -> tuple[int, ...] | None:
    """Return the shape of a layer's first output for one sample, with 1 for unknown lengths, or None if unknown."""
    try:
        output = keras.tree.flatten(layer.output)[0]
    except (AttributeError, ValueError, RuntimeError, IndexError):
        return None
    return tuple(int(n or 1) for n in output.shape[1:])


def forward_bytes(model: Any) -> float:
    """Return the memory of a forward pass per sample: Keras keeps the outputs of all layers until the end."""
    total = 0.0
    for layer in getattr(model, "layers", ()):
        inner = forward_bytes(layer)
        shape = output_shape(layer)
        total += inner or (4.0 * math.prod(shape) if shape else 0.0)
    return total
