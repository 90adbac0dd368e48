"""Statistics of one batch of activations, written with `keras.ops`, from which the penalties of Table 5 are built.

`z` is always an (N, M) tensor: N samples of M units. `sample_weight`, if given, holds N numbers >= 0: means become
weighted means, and samples of weight zero are ignored. Covariances and variances are biased (divided by N, or by the
sum of the weights), as in the paper. Every function has a finite value and gradient for zero, constant and
single-sample input.
"""

from typing import Any

import keras
from keras import ops

from keras_repreg.derivatives import with_gradient
from keras_repreg.power_iteration import Matrices, leading_vectors

# Tensors have no common static type across backends.
Tensor = Any

# Matrices below this magnitude count as zero: the gradient of a stable rank grows like 1 / |z| and would leave the
# range of float32.
TINY = 1e-36

# The square of a covariance of larger values overflows. The penalty is then infinite, and no intermediate step may turn
# it into NaN.
LARGEST = {"float32": 1e10, "float64": 1e75}

# Up to this many units a covariance norm is summed entry by entry: the Gram form is a small difference of two large
# sums and loses precision.
FEW_UNITS = 8

# Up to this many rows the power iteration forms the Gram matrix once; with more rows each step multiplies with the
# activations instead.
SMALL_GRAM = 512


def upcast(x: Tensor) -> Tensor:
    """Cast half precision to float32: sums of squares overflow in float16 and lose all digits in bfloat16."""
    return x if keras.backend.standardize_dtype(x.dtype) in ("float32", "float64") else ops.cast(x, "float32")


def absolute(z: Tensor) -> Tensor:
    """Return |z| with gradient 0 at zero on every backend (JAX's is 1, which is wrong for the zeros of a ReLU)."""
    return z * ops.stop_gradient(ops.sign(z))


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return numerator / denominator, and 0 with a zero gradient where the denominator is not positive."""
    positive = denominator > 0
    # The zero must not reach the division: `where` alone would give a gradient of 0 * inf = NaN.
    divisor = ops.where(positive, denominator, ops.ones_like(denominator))
    return ops.where(positive, numerator / divisor, ops.zeros_like(numerator))


def clip_to_range(x: Tensor, largest: float | None = None) -> Tensor:
    """Clip the magnitudes of x to `largest`, by default `LARGEST`."""
    if largest is None:
        # On PyTorch, Keras multiplies float64 matrices in float32.
        torch = keras.backend.backend() == "torch"
        largest = LARGEST["float32" if torch else keras.backend.standardize_dtype(x.dtype)]
    return ops.clip(x, -largest, largest)


def infinite_if_nan(value: Tensor) -> Tensor:
    """Replace NaN with infinity, for a sum of terms that overflow and cancel to NaN."""
    return ops.where(ops.isnan(value), ops.full_like(value, float("inf")), value)


def finite(x: Tensor) -> Tensor:
    """Replace non-finite entries of x, which decompositions reject, with zeros."""
    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))


def largest(x: Tensor, axis: int) -> Tensor:
    """Return the maximum of each row or column of a non-negative matrix, or 0 if it is empty."""
    if x.shape[0]:
        return ops.amax(x, axis=axis)
    # Keras has no maximum of an empty tensor, such as the empty batch of a replica: add a row of zeros.
    return ops.amax(ops.pad(x, [[0, 1], [0, 1]]), axis=axis)[:-1]


def largest_of_all(x: Tensor) -> Tensor:
    """Return the maximum of non-negative values, or 0 if there are none."""
    return ops.zeros((), dtype=x.dtype) if 0 in x.shape else ops.maximum(ops.amax(x), 0)


def zero_masked_rows(z: Tensor, sample_weight: Tensor) -> Tensor:
    """Set the rows of weight 0 to zero, since multiplying a NaN by 0 would keep it."""
    return ops.where(sample_weight[:, None] > 0, z, ops.zeros_like(z))


def number_of_samples(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return N or the sum of the weights in the dtype of `z`, or 1 if it is zero, as for a replica's empty batch."""
    if sample_weight is None:
        return ops.maximum(ops.cast(ops.shape(z)[0], z.dtype), 1)
    total = ops.sum(ops.cast(sample_weight, z.dtype))
    return ops.where(total > 0, total, ops.ones_like(total))


def normalized_weights(z: Tensor, sample_weight: Tensor | None) -> Tensor:
    """Return the weight of each sample in a mean: 1 / N as one number, or w_n / sum of w, shape (N, 1)."""
    n = number_of_samples(z, sample_weight)
    return 1 / n if sample_weight is None else ops.cast(sample_weight, z.dtype)[:, None] / n


def mean(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return E[z_i], shape (M,)."""
    return ops.sum(z * normalized_weights(z, sample_weight), axis=0)


def center(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return z minus the mean of each unit over the samples."""
    return z - mean(z, sample_weight)


def variances(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return v_i = E[(z_i - mu_i)^2], shape (M,)."""
    return mean(ops.square(center(z, sample_weight)), sample_weight)


def variance_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return the sum over i of v_i."""

    def value_and_gradient(z: Tensor, *sample_weight: Tensor) -> tuple[Tensor, Tensor]:
        share = normalized_weights(z, sample_weight[0] if sample_weight else None)
        centered = z - ops.sum(z * share, axis=0)
        weighted = centered * share
        # The weighted rows sum to zero, so centring adds nothing to the gradient.
        return ops.sum(weighted * centered), 2 * weighted

    return with_gradient(value_and_gradient, z, () if sample_weight is None else (sample_weight,))


def absolute_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return the sum over n and i of |z_i^n|."""
    magnitude = absolute(z)
    return ops.sum(magnitude if sample_weight is None else magnitude * ops.cast(sample_weight, z.dtype)[:, None])


def squared_off_diagonal_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return the sum over i != j of c_ij^2.

    Computed from the M x M covariance, or from the N x N Gram matrix of the centred samples, which has the same squared
    norm, whichever is smaller.
    """
    samples, units = z.shape

    def value_and_gradient(z: Tensor, *sample_weight: Tensor) -> tuple[Tensor, Tensor]:
        share = normalized_weights(z, sample_weight[0] if sample_weight else None)
        root = share**0.5
        # With rows scaled by the root of their weight, C = rows^T rows.
        rows = clip_to_range((z - ops.sum(z * share, axis=0)) * root)
        if samples is None and units > FEW_UNITS:
            few = ops.shape(z)[0] < units
            value, slope = ops.cond(few, lambda: _by_gram(rows), lambda: _by_covariance(rows))
        elif units <= FEW_UNITS or samples >= units:
            value, slope = _by_covariance(rows)
        else:
            value, slope = _by_gram(rows)
        # The slope is orthogonal to constants, so centring adds nothing to it.
        return value, slope * (4 * root)

    return with_gradient(value_and_gradient, z, () if sample_weight is None else (sample_weight,))


def _by_covariance(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of squares, and a quarter of its gradient with respect to the rows."""
    covariance = ops.transpose(rows) @ rows
    off_diagonal = covariance * (1 - ops.eye(rows.shape[1], dtype=rows.dtype))
    return ops.sum(off_diagonal * off_diagonal), rows @ off_diagonal


def _by_gram(rows: Tensor) -> tuple[Tensor, Tensor]:
    gram = rows @ ops.transpose(rows)
    product = gram @ rows - rows * ops.sum(rows * rows, axis=0)
    return infinite_if_nan(ops.maximum(ops.sum(rows * product), 0)), product


def stable_rank(z: Tensor, method: str, sample_weight: Tensor | None = None) -> Tensor:
    """Return ||Z||_F^2 / ||Z||_2^2 (eq. 7), or its lower bound (eq. 9) with `method="holder"`; 0 for an all-zero Z.

    With weights, the rows of Z are multiplied by the roots of the weights, so Z^T Z is the weighted sum of z z^T.
    """
    if sample_weight is not None:
        z = z * ops.sqrt(ops.cast(sample_weight, z.dtype))[:, None]
    z = unit_scale(z)
    if method == "holder":
        return safe_ratio(ops.sum(ops.square(z)), holder_bound(z))
    samples, units = z.shape
    if samples is None or samples > units:
        z = ops.transpose(z)
    search = _decomposed if method == "svd" else None

    def value_and_gradient(z: Tensor) -> tuple[Tensor, Tensor]:
        u = leading_vectors(_gram_matrix, z, search=search)
        # By the envelope theorem, the derivative of |Z^T u|^2 at the maximising unit vector u does not involve the
        # derivative of u, so nothing is divided by gaps between singular values.
        projection = ops.transpose(u) @ z
        bound = ops.sum(ops.square(projection))
        value = safe_ratio(ops.sum(ops.square(z)), bound)
        return value, safe_ratio(2 * (z - value * u * projection), bound + ops.zeros_like(z))

    return with_gradient(value_and_gradient, z)


def unit_scale(z: Tensor) -> Tensor:
    """Divide z by its largest magnitude, so that no square over- or underflows in scale-invariant statistics."""
    largest = largest_of_all(ops.abs(ops.stop_gradient(z)))
    return z / ops.where(largest > TINY, largest, ops.ones_like(largest))


def holder_bound(z: Tensor) -> Tensor:
    """Return ||Z||_1 ||Z||_inf >= ||Z||_2^2: the largest absolute column sum times the largest row sum (eq. 9)."""
    magnitude = absolute(z)
    return ops.amax(ops.sum(magnitude, axis=0)) * largest_of_all(ops.sum(magnitude, axis=1))


def _gram_matrix(rows: Tensor) -> Matrices:
    columns = ops.transpose(rows)
    small = rows.shape[0] is not None and rows.shape[0] <= SMALL_GRAM
    gram = rows @ columns if small else None
    return Matrices(
        lambda u: rows @ (columns @ u) if gram is None else gram @ u,
        lambda *pairs: tuple(ops.sum(u * v) for u, v in pairs),
        ops.sum(ops.square(rows), axis=1, keepdims=True),
    )


def _decomposed(rows: Tensor) -> Tensor:
    """Return the leading eigenvector of the Gram matrix of the rows, as a column: slow, meant for checks."""
    return ops.linalg.eigh(finite(rows @ ops.transpose(rows)))[1][:, -1:]
