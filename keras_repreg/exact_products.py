"""Matrix products in full float32 precision, even if the hardware would reduce it."""

from typing import Any

import keras
from keras import ops

from keras_repreg.devices import on_accelerator

Tensor = Any

# Matrix units of GPUs keep ten mantissa bits of each factor; float32 has 23.
STEPS = 2.0**10


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of two matrices, for sums whose terms cancel.

    TensorFlow and JAX compute float32 products on the matrix units of a GPU (TF32), whose ten bits are lost in a small
    difference of large sums. There, each factor is split into a part of ten bits and the rest, and the products of the
    parts are added: four products instead of one. Entries keep full precision unless they are small relative to others
    in their row of `a` or column of `b`. PyTorch uses full precision itself; a TPU uses fewer bits.
    """
    float32 = keras.backend.standardize_dtype(a.dtype) == "float32"
    empty = 0 in (*a.shape, *b.shape)
    if keras.backend.backend() == "torch" or not float32 or empty or not on_accelerator(a):
        return ops.matmul(a, b)
    return _split_product(a, b)


@ops.custom_gradient
def _split_product(a: Tensor, b: Tensor) -> Any:
    def pull_back(upstream: Tensor) -> tuple[Tensor, Tensor]:
        return _by_parts(upstream, ops.transpose(b)), _by_parts(ops.transpose(a), upstream)

    return _by_parts(a, b), pull_back


def _by_parts(a: Tensor, b: Tensor) -> Tensor:
    a_scale, a_high, a_low = _parts(a, axis=1)
    b_scale, b_high, b_low = _parts(b, axis=0)
    # The smallest terms first.
    low = ops.matmul(a_low, b_low) + ops.matmul(a_high, b_low) + ops.matmul(a_low, b_high)
    return (ops.matmul(a_high, b_high) + low) * a_scale * b_scale


def _parts(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scales, and two parts whose sum is x / scales: multiples of 2^-10 up to 1, and the remainder."""
    magnitude = ops.where(ops.isfinite(x), ops.abs(x), ops.zeros_like(x))
    largest = ops.max(magnitude, axis=axis, keepdims=True)
    # Avoids 0 / 0.
    scale = ops.where(largest > 0, largest, ops.ones_like(largest))
    x = x / scale
    high = ops.round(x * STEPS) / STEPS
    return scale, high, x - high
