"""Statistics of one batch of activations, written with `keras.ops`.

The ground floor of the penalties of Table 5. `z` is always an (N, M) tensor: N samples of M units.
Covariances and variances are biased (divided by N), as in the paper. Every function has a finite value and a
finite gradient for zero, constant and single-sample input.
"""

from typing import Any

import keras
from keras import ops

# Keras tensors have no common static type across backends.
Tensor = Any

# Below this magnitude a matrix counts as zero: the gradient of a stable rank grows like 1 / |z| and would
# leave the range of float32.
TINY = 1e-30

# Up to this many units a covariance norm is summed entry by entry: the Gram form takes a small difference of
# two large sums and loses the digits that a direct sum keeps.
FEW_UNITS = 8

# G is squared this often, so that the power p = 2**12 is reached: eigenvalues that differ by a relative gap d
# leave an error of d * exp(-2 p d) <= 1 / (2 e p) = 4.5e-5 of the largest one.
SQUARINGS = 12


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


def number_of_samples(z: Tensor) -> Tensor:
    """N, as a float in the dtype of `z`; 1 for an empty batch, which a replica can get and which is all zero then."""
    return ops.maximum(ops.cast(ops.shape(z)[0], z.dtype), 1)


def mean(z: Tensor) -> Tensor:
    """E[z_i], shape (M,)."""
    return ops.sum(z, axis=0) / number_of_samples(z)


def center(z: Tensor) -> Tensor:
    """z minus the mean of each unit over the samples."""
    return z - mean(z)


def variances(z: Tensor) -> Tensor:
    """v_i = E[(z_i - mu_i)^2], shape (M,)."""
    return mean(ops.square(center(z)))


def off_diagonal_energy(z: Tensor) -> Tensor:
    """Sum over i != j of c_ij^2.

    Two routes lead there: the M x M covariance, and the N x N Gram matrix of the centred samples, whose
    squared norm is that of the covariance. The smaller one is taken.
    """
    z = center(z)
    samples, units = z.shape
    if units <= FEW_UNITS:
        return _energy_from_covariance(z)
    if samples is not None:
        return _energy_from_gram(z) if samples < units else _energy_from_covariance(z)
    return ops.cond(ops.shape(z)[0] < units, lambda: _energy_from_gram(z), lambda: _energy_from_covariance(z))


def _energy_from_covariance(z: Tensor) -> Tensor:
    covariance = ops.matmul(ops.transpose(z), z) / number_of_samples(z)
    return ops.sum(ops.square(covariance * (1 - ops.eye(z.shape[1], dtype=z.dtype))))


def _energy_from_gram(z: Tensor) -> Tensor:
    n = number_of_samples(z)
    gram = ops.matmul(z, ops.transpose(z)) / n
    diagonal = mean(ops.square(z))
    return ops.maximum(ops.sum(ops.square(gram)) - ops.sum(ops.square(diagonal)), 0)


def unit_scale(z: Tensor) -> Tensor:
    """z divided by its largest magnitude, for what does not depend on scale: no square can over- or underflow."""
    largest = ops.stop_gradient(ops.max(ops.abs(z), initial=0))
    return z / ops.where(largest > TINY, largest, ops.ones_like(largest))


def holder_bound(z: Tensor) -> Tensor:
    """||Z||_1 ||Z||_inf >= ||Z||_2^2: the largest absolute column sum times the largest row sum (eq. 9)."""
    magnitude = absolute(z)
    return ops.max(ops.sum(magnitude, axis=0)) * ops.max(ops.sum(magnitude, axis=1), initial=0)


def squared_spectral_norm(z: Tensor, method: str) -> Tensor:
    """||Z||_2^2 with its exact gradient, by the leading singular vector of the smaller Gram matrix.

    The vector is found with gradients stopped: by the envelope theorem the derivative of u^T Z Z^T u at the
    maximising unit vector u needs no derivative of u. So nothing is divided by gaps between singular values.
    """
    samples, units = z.shape
    rows = z if samples is not None and samples < units else ops.transpose(z)
    u = leading_eigenvector(ops.matmul(rows, ops.transpose(rows)), method)
    return safe_ratio(ops.sum(ops.square(ops.matmul(ops.transpose(rows), u))), ops.sum(ops.square(u)))


def leading_eigenvector(gram: Tensor, method: str) -> Tensor:
    """A vector of any length along the leading eigenvector of a positive semi-definite matrix; no gradient.

    `method="power"` squares the matrix (accuracy: see `SQUARINGS`); `method="svd"` decomposes it.
    """
    gram = ops.stop_gradient(gram)
    if method == "svd":
        return ops.stop_gradient(ops.linalg.eigh(gram)[1][:, -1:])
    power = gram
    for _ in range(SQUARINGS):
        power = safe_ratio(power, ops.trace(power))
        power = ops.matmul(power, power)
    power = safe_ratio(power, ops.trace(power))
    start = ops.argmax(ops.diagonal(power))
    return ops.stop_gradient(ops.expand_dims(ops.take(power, start, axis=1), 1))
