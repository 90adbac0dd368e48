"""Measures of the effective dimension of activations, from the norms and eigenvalues of the covariance.

Functions of eigenvalues take them in any order and return 0 if all are zero. All measures are scale invariant.
"""

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.characteristics.lanczos import largest_eigenvalue
from keras_repreg.characteristics.moments import Array

# Directions with less than this fraction of the largest variance count as zero: float32 activations have no reliable
# digits below 1e-4 of the largest standard deviation. `keras_repreg.ion` uses the same threshold.
NULL_SPACE = 1e-8


def eigenvalues(matrix: Array) -> Array:
    """Return the eigenvalues of a symmetric positive semi-definite matrix, the largest first, none below zero."""
    largest = float(np.abs(matrix).max(initial=0))
    if not largest > 0:
        return np.zeros(len(matrix))
    # Scaled first, to stay within the range of float64.
    values: Array = np.linalg.eigvalsh(matrix / largest)[::-1].astype(np.float64)
    # Eigenvalues within the rounding error of the decomposition are set to zero, since their square roots would matter.
    values[values <= len(matrix) * np.finfo(np.float64).eps * values[0]] = 0
    return values * largest


def stable_rank_of(matrix: Array) -> float:
    """Return ||C||_F^2 / ||C||_2^2 of a symmetric positive semi-definite matrix."""
    scaled = _in_range(matrix)
    squared = float(np.vdot(scaled, scaled))
    return max(squared / largest_eigenvalue(scaled) ** 2, 1.0) if squared else 0.0


def participation_ratio_of(matrix: Array) -> float:
    """Return (tr C)^2 / tr C^2: (sum of the eigenvalues)^2 / sum of their squares."""
    scaled = _in_range(matrix)
    squared = float(np.vdot(scaled, scaled))
    return float(max(np.trace(scaled), 0.0) ** 2 / squared) if squared else 0.0


def unbiased_participation_ratio(matrix: Array, samples: int, fourth: float, units: int) -> float:
    """Return the ratio of unbiased estimates of (tr C)^2 and tr C^2, for any distribution of the samples.

    Args:
        matrix: The biased covariance of the samples, or their Gram matrix, which has the same two norms.
        samples: N, at least four.
        fourth: E[||z - mu||^4].
        units: M, the upper limit of the ratio.

    Reference:
        Himeno and Yamada (2014), "Estimations for some functions of covariance matrix in high dimension under
        non-normality and its applications", section 2.
    """
    n = samples
    largest = float(np.abs(matrix).max(initial=0))
    if n < 4 or not largest > 0:
        return 0.0
    # With S the unbiased covariance and Q = sum of ||z - mean||^4 / (N - 1), all divided by `largest`.
    s = matrix / largest * (n / (n - 1))
    trace, squared = float(np.trace(s)) ** 2, float(np.vdot(s, s))
    q = fourth / largest**2 * n / (n - 1)
    numerator = 2 * squared + (n * n - 3 * n + 1) * trace - n * q
    denominator = (n - 1) * (n - 2) * squared + trace - n * q
    # The ratio of the estimates can leave the range of the true ratio.
    return float(np.clip(numerator / denominator, 1, units)) if denominator > 0 else float(units)


def numerical_rank(values: Array) -> float:
    """Return the number of eigenvalues above `NULL_SPACE` times the largest."""
    return float(np.count_nonzero(_scaled(values) > NULL_SPACE))


def effective_rank(values: Array) -> float:
    """Return exp(-sum of p_i log p_i), where p are the values divided by their sum."""
    scaled = _scaled(values)
    if not scaled.any():
        return 0.0
    p = scaled[scaled > 0] / scaled.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


def stable_rank(covariance: Array) -> float:
    """Return ||C||_F^2 / ||C||_2^2, the rank of Table 1; 0 for a zero matrix.

    Raises:
        ValueError: if it is not a square matrix of finite real numbers.
    """
    covariance = to_float64(covariance)
    if covariance.ndim != 2 or len(set(covariance.shape)) != 1 or not np.isfinite(covariance).all():
        raise ValueError(f"Expected a finite matrix of shape (M, M). Received: covariance={covariance!r}")
    return stable_rank_of(covariance)


def _scaled(values: Array) -> Array:
    """Divide the values by their largest magnitude, to keep squares within the range of float64."""
    largest = _magnitude(values)
    return values / largest if largest > 0 else np.zeros_like(values)


def _in_range(matrix: Array) -> Array:
    """Return the matrix, divided by its largest magnitude if squares would leave the range of float64."""
    return matrix if 1e-100 < _magnitude(matrix) < 1e100 else _scaled(matrix)


def _magnitude(values: Array) -> float:
    """Return the largest magnitude without allocating an array."""
    return float(max(values.max(initial=0), -values.min(initial=0)))
