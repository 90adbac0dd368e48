"""Means over stratified draws with control variates, and their standard errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Mean(NamedTuple):
    """A mean over draws and its standard error."""

    value: float
    error: float


class Tally:
    """Accumulates draws of values and of control variates with mean zero, the same number in each stratum.

    Args:
        strata: The number of strata, which have equal weights.
        values: The number of values per draw.
        controls: The number of control variates per draw, which follow the values.
    """

    def __init__(self, strata: int, values: int, controls: int):
        self.rounds = 0  # draws per stratum; the caller counts them
        self._values = values
        self._first = np.full((strata, values + controls), np.nan)
        self._sums = np.zeros((strata, values + controls))
        self._products = np.zeros((values + controls, values + controls))

    def add(self, strata: slice, draws: Array) -> None:
        """Add draws of shape (rounds, strata, values + controls) to some of the strata."""
        if not self.rounds and np.isnan(self._first[strata]).any():
            self._first[strata] = draws[0]
        # Relative to the first draw, because sums of squares of nearly equal values would cancel.
        shifted = draws - self._first[strata]
        self._sums[strata] += shifted.sum(axis=0)
        flat = shifted.reshape(-1, shifted.shape[-1])
        self._products += flat.T @ flat

    def means(self) -> list[Mean]:
        """Return the mean of each value, corrected by the controls, with an error from the variance within strata."""
        strata, rounds = len(self._first), self.rounds
        freedom = strata * (rounds - 1)
        means = (self._first + self._sums / rounds).mean(axis=0)
        covariance = (self._products - self._sums.T @ self._sums / rounds) / freedom
        k = self._values
        coefficients = np.linalg.pinv(covariance[k:, k:], hermitian=True) @ covariance[k:, :k]
        values = means[:k] - means[k:] @ coefficients
        left = np.diag(covariance)[:k] - np.einsum("ij,ij->j", coefficients, covariance[k:, :k])
        variances = np.maximum(left, 0) * freedom / max(freedom - len(means) + k, 1)
        errors = np.sqrt(variances / (strata * rounds))
        return [Mean(*pair) for pair in zip(values.tolist(), errors.tolist(), strict=True)]
