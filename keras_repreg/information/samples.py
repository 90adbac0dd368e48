"""Convert activations and labels for the estimators, and reject invalid ones."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64, to_numpy
from keras_repreg.labels import sample_classes

# The value of one nat in each unit.
UNITS = {"nats": 1.0, "bits": 1 / math.log(2)}


def as_numbers(z: Any) -> NDArray[Any]:
    """Return activations as (N, M) in their dtype; all axes but the first are units of a sample.

    Raises:
        ValueError: if there is no sample or no unit, or values are not numbers.
    """
    array = z if ops.is_tensor(z) or isinstance(z, keras.Variable) else to_numpy(z)
    dtype = str(array.dtype) if isinstance(array, np.ndarray) else keras.backend.standardize_dtype(array.dtype)
    shape = tuple(array.shape)
    if len(shape) < 2 or 0 in shape or not dtype.startswith(("float", "bfloat", "int", "uint", "bool")):
        raise ValueError(
            "Expected activations of shape (samples, units), with at least one of each, in a real numeric dtype. "
            f"Received: shape {shape}, dtype {dtype}"
        )
    return to_numpy(array).reshape(shape[0], -1)


def as_samples(z: Any) -> NDArray[np.float64]:
    """Return `as_numbers` in float64.

    Raises:
        ValueError: if there is no sample or no unit, or values are not numbers, NaN or infinite.
    """
    matrix = to_float64(as_numbers(z))
    if not np.isfinite(matrix).all():
        raise ValueError(f"Expected finite values. Received: {np.sum(~np.isfinite(matrix))} NaN or infinite ones")
    return matrix


def as_classes(labels: Any, samples: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the classes present, and the index of the class of each sample.

    Raises:
        ValueError: if the labels are not one class per sample: (N,), (N, 1), or one-hot (N, K).
    """
    array = sample_classes(labels, samples)
    names, classes = np.unique(array, return_inverse=True)
    return names, classes.reshape(-1)


def nats_in(information_unit: Any) -> float:
    """Return the value of one nat in a unit.

    Raises:
        ValueError: if it is neither "nats" nor "bits".
    """
    if not isinstance(information_unit, str) or information_unit not in UNITS:
        raise ValueError(
            f"Expected `information_unit` to be one of {sorted(UNITS)}. Received: information_unit={information_unit!r}"
        )
    return UNITS[information_unit]
