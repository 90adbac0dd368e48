"""Matrix products with all digits of float32, also where the hardware would drop some of them."""

from typing import Any

import keras
from keras import ops

from keras_repreg.devices import on_accelerator

Tensor = Any

# Matrix units of GPUs keep ten bits after the leading one of each factor, where float32 has 23.
STEPS = 2.0**10


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices, for sums whose terms cancel.

    TensorFlow and JAX leave float32 products to the matrix units of a GPU (TF32), of whose ten bits a small difference
    of large sums keeps nothing. There, each factor is split into a part that has ten bits and the rest, and the
    products of the parts are added: four products instead of one. Entries keep their digits as far as they are not
    small beside others of their row of `a` or column of `b`. PyTorch takes all bits by itself; a TPU takes fewer.
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
    # The small ones first.
    low = ops.matmul(a_low, b_low) + ops.matmul(a_high, b_low) + ops.matmul(a_low, b_high)
    return (ops.matmul(a_high, b_high) + low) * a_scale * b_scale


def _parts(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scales, and two parts whose sum is x by the scales: multiples of 2^-10 up to 1, and what is left."""
    magnitude = ops.where(ops.isfinite(x), ops.abs(x), ops.zeros_like(x))
    largest = ops.max(magnitude, axis=axis, keepdims=True)
    # Division by zero would make NaN of zeros.
    scale = ops.where(largest > 0, largest, ops.ones_like(largest))
    x = x / scale
    high = ops.round(x * STEPS) / STEPS
    return scale, high, x - high
