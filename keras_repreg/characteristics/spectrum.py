"""How many directions the activations use: five answers from the eigenvalues of the covariance.

Each function takes eigenvalues of a covariance, any order, and is 0 where all of them are. All are scale free.
"""

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.characteristics.moments import Array

# Directions with less variance than this share of the largest count as without: float32 activations have no
# reliable digits below 1e-4 of the largest standard deviation. `keras_repreg.ion` draws the same line.
NULL_SPACE = 1e-8


def eigenvalues(matrix: Array) -> Array:
    """Of a symmetric positive semi-definite matrix, the largest first; rounding noise below zero is cut off."""
    largest = float(np.abs(matrix).max(initial=0))
    if not largest > 0:
        return np.zeros(len(matrix))
    # Scaled first, so that nothing leaves the range of float64.
    values: Array = np.linalg.eigvalsh(matrix / largest)[::-1].astype(np.float64)
    # What a decomposition in float64 cannot tell from zero is zero: square roots of it would count.
    values[values <= len(matrix) * np.finfo(np.float64).eps * values[0]] = 0
    return values * largest


def stable_rank_of(values: Array) -> float:
    """||C||_F^2 / ||C||_2^2."""
    shares = _relative_to_largest(values)
    return float(np.sum(shares**2))


def numerical_rank(values: Array) -> float:
    """The number of eigenvalues above `NULL_SPACE` times the largest."""
    return float(np.count_nonzero(_relative_to_largest(values) > NULL_SPACE))


def effective_rank(values: Array) -> float:
    """exp(-sum of p_i log p_i), p the values divided by their sum."""
    shares = _relative_to_largest(values)
    if not shares.any():
        return 0.0
    p = shares[shares > 0] / shares.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


def participation_ratio(values: Array) -> float:
    """(sum of the eigenvalues)^2 / sum of their squares."""
    shares = _relative_to_largest(values)
    return float(shares.sum() ** 2 / np.sum(shares**2)) if shares.any() else 0.0


def stable_rank(covariance: Array) -> float:
    """||C||_F^2 / ||C||_2^2, the rank of Table 1; 0 for a zero matrix.

    Raises:
        ValueError: if it is not a square matrix of finite real numbers.
    """
    covariance = to_float64(covariance)
    if covariance.ndim != 2 or len(set(covariance.shape)) != 1 or not np.isfinite(covariance).all():
        raise ValueError(f"Expected a finite matrix of shape (M, M). Received: covariance={covariance!r}")
    return stable_rank_of(eigenvalues(covariance))


def _relative_to_largest(values: Array) -> Array:
    largest = values.max(initial=0)
    return values / largest if largest > 0 else np.zeros_like(values)
