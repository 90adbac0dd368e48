"""Statistics of one batch of activations, written with `keras.ops`.

What the penalties of Table 5 are made of. `z` is always an (N, M) tensor: N samples of M units. `sample_weight`,
where given, is N numbers >= 0, how much each sample counts: means become weighted means, and a sample of weight zero
does not exist. Covariances and variances are biased (divided by N, or by the sum of the weights), as in the paper.
Every function has a finite value and a finite gradient for zero, constant and single-sample input.
"""

from typing import Any

import keras
from keras import ops

from keras_repreg.derivatives import with_gradient
from keras_repreg.power_iteration import Matrices, leading_vectors

# Keras tensors have no common static type across backends.
Tensor = Any

# Below this magnitude a matrix counts as zero: the gradient of a stable rank grows like 1 / |z| and would
# leave the range of float32.
TINY = 1e-36

# The square of a covariance of larger values leaves the range of the dtype: an infinite penalty, of which no step on
# the way may make a NaN.
LARGEST = {"float32": 1e10, "float64": 1e75}

# Up to this many units a covariance norm is summed entry by entry: the Gram form takes a small difference of
# two large sums and loses the digits that a direct sum keeps.
FEW_UNITS = 8

# Up to this many rows a Gram matrix is formed once for all steps of the power iteration; beyond, each step passes
# over the activations instead.
SMALL_GRAM = 512


def upcast(x: Tensor) -> Tensor:
    """`x` in float32 at least: sums of squares overflow in float16 and lose all digits in bfloat16."""
    return x if keras.backend.standardize_dtype(x.dtype) in ("float32", "float64") else ops.cast(x, "float32")


def absolute(z: Tensor) -> Tensor:
    """|z| whose gradient at zero is 0 on every backend (JAX's own is 1, which is wrong for ReLU's zeros)."""
    return z * ops.stop_gradient(ops.sign(z))


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, and 0 with a zero gradient where the denominator is not positive."""
    positive = denominator > 0
    # The division itself must not see the zero: `where` alone would pass 0 * inf = NaN to the gradient.
    divisor = ops.where(positive, denominator, ops.ones_like(denominator))
    return ops.where(positive, numerator / divisor, ops.zeros_like(numerator))


def clip_to_range(x: Tensor, largest: float | None = None) -> Tensor:
    """x with magnitudes of at most `largest`, by default `LARGEST`."""
    if largest is None:
        # On PyTorch, Keras multiplies matrices of float64 in float32.
        torch = keras.backend.backend() == "torch"
        largest = LARGEST["float32" if torch else keras.backend.standardize_dtype(x.dtype)]
    return ops.clip(x, -largest, largest)


def infinite_if_nan(value: Tensor) -> Tensor:
    """A sum of terms beyond the range of the dtype, of which some have cancelled to NaN: infinity is what they mean."""
    return ops.where(ops.isnan(value), ops.full_like(value, float("inf")), value)


def finite(x: Tensor) -> Tensor:
    """x with zeros for what is not finite, which decompositions refuse."""
    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))


def largest(x: Tensor, axis: int) -> Tensor:
    """The maximum of each row or column of a matrix of non-negative values; 0 where there are none."""
    if x.shape[0]:
        return ops.amax(x, axis=axis)
    # Keras has no maximum of an empty tensor, which the batch of a replica can be: a row of zeros is lent to it.
    return ops.amax(ops.pad(x, [[0, 1], [0, 1]]), axis=axis)[:-1]


def largest_of_all(x: Tensor) -> Tensor:
    """The maximum of non-negative values; 0 where there are none."""
    return ops.zeros((), dtype=x.dtype) if 0 in x.shape else ops.maximum(ops.amax(x), 0)


def zero_masked_rows(z: Tensor, sample_weight: Tensor) -> Tensor:
    """z with zeros in the rows of weight 0, whatever they held: a NaN times 0 would be a NaN."""
    return ops.where(sample_weight[:, None] > 0, z, ops.zeros_like(z))


def number_of_samples(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """N, or the sum of the weights, in the dtype of `z`; 1 where that is zero, as for a replica's empty batch."""
    if sample_weight is None:
        return ops.maximum(ops.cast(ops.shape(z)[0], z.dtype), 1)
    total = ops.sum(ops.cast(sample_weight, z.dtype))
    return ops.where(total > 0, total, ops.ones_like(total))


def normalized_weights(z: Tensor, sample_weight: Tensor | None) -> Tensor:
    """What each sample contributes to a mean, as (N, 1) or one number for all: 1 / N, or w_n / sum of w."""
    n = number_of_samples(z, sample_weight)
    return 1 / n if sample_weight is None else ops.cast(sample_weight, z.dtype)[:, None] / n


def mean(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """E[z_i], shape (M,)."""
    return ops.sum(z * normalized_weights(z, sample_weight), axis=0)


def center(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """z minus the mean of each unit over the samples."""
    return z - mean(z, sample_weight)


def variances(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """v_i = E[(z_i - mu_i)^2], shape (M,)."""
    return mean(ops.square(center(z, sample_weight)), sample_weight)


def variance_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Sum over i of v_i."""

    def value_and_gradient(z: Tensor, *sample_weight: Tensor) -> tuple[Tensor, Tensor]:
        share = normalized_weights(z, sample_weight[0] if sample_weight else None)
        centered = z - ops.sum(z * share, axis=0)
        weighted = centered * share
        # Weighted, they sum to zero, so that centring has nothing to add to the gradient.
        return ops.sum(weighted * centered), 2 * weighted

    return with_gradient(value_and_gradient, z, () if sample_weight is None else (sample_weight,))


def absolute_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Sum over n and i of |z_i^n|."""
    magnitude = absolute(z)
    return ops.sum(magnitude if sample_weight is None else magnitude * ops.cast(sample_weight, z.dtype)[:, None])


def squared_off_diagonal_sum(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Sum over i != j of c_ij^2.

    Two routes lead there: the M x M covariance, and the N x N Gram matrix of the centred samples, whose
    squared norm is that of the covariance. The smaller one is taken.
    """
    samples, units = z.shape

    def value_and_gradient(z: Tensor, *sample_weight: Tensor) -> tuple[Tensor, Tensor]:
        share = normalized_weights(z, sample_weight[0] if sample_weight else None)
        root = share**0.5
        # With rows scaled by the root of their share, C = rows^T rows.
        rows = clip_to_range((z - ops.sum(z * share, axis=0)) * root)
        if samples is None and units > FEW_UNITS:
            few = ops.shape(z)[0] < units
            value, slope = ops.cond(few, lambda: _by_gram(rows), lambda: _by_covariance(rows))
        elif units <= FEW_UNITS or samples >= units:
            value, slope = _by_covariance(rows)
        else:
            value, slope = _by_gram(rows)
        # The slope is orthogonal to constants, so that centring has nothing to add to it.
        return value, slope * (4 * root)

    return with_gradient(value_and_gradient, z, () if sample_weight is None else (sample_weight,))


def _by_covariance(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of squares, and a fourth of its gradient with respect to the rows."""
    covariance = ops.transpose(rows) @ rows
    off_diagonal = covariance * (1 - ops.eye(rows.shape[1], dtype=rows.dtype))
    return ops.sum(off_diagonal * off_diagonal), rows @ off_diagonal


def _by_gram(rows: Tensor) -> tuple[Tensor, Tensor]:
    gram = rows @ ops.transpose(rows)
    product = gram @ rows - rows * ops.sum(rows * rows, axis=0)
    return infinite_if_nan(ops.maximum(ops.sum(rows * product), 0)), product


def stable_rank(z: Tensor, method: str, sample_weight: Tensor | None = None) -> Tensor:
    """||Z||_F^2 / ||Z||_2^2 (eq. 7), or with `method="holder"` its lower bound (eq. 9); 0 for a matrix of zeros.

    With weights, the rows of Z are multiplied by their roots, so that Z^T Z is the weighted sum of z z^T.
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
        # By the envelope theorem the derivative of |Z^T u|^2 at the maximising unit vector u needs none of u. So the
        # gradient has no division by gaps between singular values.
        projection = ops.transpose(u) @ z
        bound = ops.sum(ops.square(projection))
        value = safe_ratio(ops.sum(ops.square(z)), bound)
        return value, safe_ratio(2 * (z - value * u * projection), bound + ops.zeros_like(z))

    return with_gradient(value_and_gradient, z)


def unit_scale(z: Tensor) -> Tensor:
    """z divided by its largest magnitude, for what does not depend on scale: no square can over- or underflow."""
    largest = largest_of_all(ops.abs(ops.stop_gradient(z)))
    return z / ops.where(largest > TINY, largest, ops.ones_like(largest))


def holder_bound(z: Tensor) -> Tensor:
    """||Z||_1 ||Z||_inf >= ||Z||_2^2: the largest absolute column sum times the largest row sum (eq. 9)."""
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
    """The leading eigenvector of the Gram matrix of the rows, as a column: for checks, not for speed."""
    return ops.linalg.eigh(finite(rows @ ops.transpose(rows)))[1][:, -1:]
