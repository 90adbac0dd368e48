"""Estimate the memory for measuring a model from the shapes of its layers.

How the factors were measured: the peak that `tracemalloc` sees while activations in float32 of 512 units, 400 and 2,304
samples of them, with and without ReLU, are added to an accumulator and its characteristics are computed; in matrices of
512 x 512 numbers in float64, rounded up. `tests/commands/test_cost.py` repeats that for other sizes.
"""

import math
from collections.abc import Iterable
from typing import Any

import keras

from keras_repreg.characteristics import Characteristics
from keras_repreg.characteristics.definitions import needs_of

# Matrices of units times units, in float64, that are needed for a moment beside what an accumulator keeps, by what the
# characteristics need: while a batch is added (pairs: 5.1, otherwise 3) and while results are computed (pairs: 9.4,
# covariance: 5.8, norms: 1.9). One layer at a time needs them.
RESULTS = {"pairs": 10, "covariance": 6, "norms": 4}
# For a report also the correlations, their magnitudes and what is drawn of them.
REPORT = 6


def accumulator_bytes(width: int, names: Iterable[str], classes: int = 0) -> float:
    """Return the most that the accumulator of a layer keeps for these characteristics."""
    return Characteristics(characteristics=list(names)).memory(width, classes)


def result_bytes(width: int, names: Iterable[str], report: bool) -> float:
    """Return the memory that computing the characteristics needs temporarily."""
    needs = {need.removeprefix("class ") for need in needs_of(names)}
    matrices = max((number for need, number in RESULTS.items() if need in needs), default=0)
    return 8.0 * (matrices + REPORT * report) * width**2


def output_shape(layer: Any) -> tuple[int, ...] | None:
    """The shape of a layer's first output for one sample, 1 for unknown lengths; None where it is not known."""
    try:
        output = keras.tree.flatten(layer.output)[0]
    except (AttributeError, ValueError, RuntimeError, IndexError):
        return None
    return tuple(int(n or 1) for n in output.shape[1:])


def forward_bytes(model: Any) -> float:
    """Return the memory for one sample's forward pass: Keras keeps the outputs of all layers until its end."""
    total = 0.0
    for layer in getattr(model, "layers", ()):
        inner = forward_bytes(layer)
        shape = output_shape(layer)
        total += inner or (4.0 * math.prod(shape) if shape else 0.0)
    return total
