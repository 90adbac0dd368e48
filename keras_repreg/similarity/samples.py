"""Convert two representations of the same samples to matrices."""

import math
from typing import Any

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.characteristics.moments import Array


def as_samples(a: Any, b: Any) -> tuple[Array, Array]:
    """Return two arrays of shape (N, ...) as (N, M_a) and (N, M_b) in float64.

    Raises:
        ValueError: if they are not finite real numbers of two dimensions or more, or their numbers of samples differ.
    """
    first, second = _matrix(a, "a"), _matrix(b, "b")
    if len(first) != len(second):
        raise ValueError(
            f"Expected the same number of samples in `a` and `b`. Received: {len(first)} and {len(second)}"
        )
    return first, second


def _matrix(z: Any, name: str) -> Array:
    array = to_float64(z)
    if array.ndim < 2:
        raise ValueError(f"Expected `{name}` of shape (samples, units). Received: shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"Expected finite values in `{name}`. Received: {np.sum(~np.isfinite(array))} NaN or infinite")
    return array.reshape(len(array), math.prod(array.shape[1:]))


def rotated(z: Array) -> Array:
    """Reduce the units to the number of samples, if larger, keeping the inner products of the centred samples."""
    if len(z) >= z.shape[1]:
        return z
    centred = z - z.mean(axis=0) if len(z) else z
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(u * s)
