"""Eigenvalues of covariances: rank, null space, whitening."""

import numbers
from typing import Any

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.ion.maps import Array
from keras_repreg.ion.theorems import as_array

# Directions with less than this fraction of the largest variance belong to the null space: whitening them would need a
# Q with a condition number above 1e4, too large for the precision of float32 weights.
NULL_SPACE = 1e-8


def whitening_matrix(covariance: Array, null_space: float = NULL_SPACE) -> Array:
    """Return the symmetric, nonsingular Q for which Q C Q is the identity on the range of C.

    Args:
        covariance: C, shape (M, M), symmetric and positive semi-definite.
        null_space: Directions with less than this fraction of the largest variance count as the null space.

    Raises:
        ValueError: if C is zero, not square or not finite, or `null_space` is not between 0 and 1.
    """
    check_null_space(null_space)
    covariance = to_float64(covariance)
    units = len(covariance) if covariance.ndim else 1
    variances, directions = eigenvalues(as_array(covariance, (units, units), "covariance"))
    # The null space is scaled like the direction of largest variance, so noise in it is not amplified.
    kept = np.where(in_range(variances, null_space), variances, variances[-1])
    return (directions / np.sqrt(kept)) @ directions.T


def eigenvalues(covariance: Array) -> tuple[Array, Array]:
    """Return `principal_axes` of a covariance.

    Raises:
        ValueError: if no unit varies.
    """
    variances, directions = principal_axes(covariance)
    if not variances[-1] > np.finfo(np.float64).tiny:
        raise ValueError(f"Expected a layer whose output varies. Received: a largest variance of {variances[-1]}")
    return variances, directions


def principal_axes(covariance: Array) -> tuple[Array, Array]:
    """Return eigenvalues in ascending order, those of constant units first, and the eigenvectors as columns.

    The eigenvector of a constant unit is exactly that unit. Otherwise rounding would add traces of the other units to
    constant ones, and traces can be perfectly correlated.
    """
    varying = np.flatnonzero(np.diagonal(covariance) > 0)
    constant = np.setdiff1d(np.arange(len(covariance)), varying)
    variances, directions = np.zeros(len(covariance)), np.zeros_like(covariance)
    directions[constant, np.arange(len(constant))] = 1
    variances[len(constant) :], axes = np.linalg.eigh(covariance[np.ix_(varying, varying)])
    directions[varying, len(constant) :] = axes
    return variances, directions


def in_range(values: Any, share: float) -> Any:
    """Return which eigenvalues, in ascending order, belong to the range: those above a fraction of the largest."""
    return values > share * values[-1]


def check_null_space(null_space: float) -> None:
    """Check that `null_space` is a fraction.

    Raises:
        ValueError: if it is not between 0 and 1.
    """
    if not isinstance(null_space, numbers.Real) or not 0 < null_space < 1:
        raise ValueError(f"Expected `null_space` to be between 0 and 1. Received: null_space={null_space!r}")
