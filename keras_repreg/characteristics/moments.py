"""Streaming moments in float64: what the characteristics of Table 1 are computed from.

An accumulator takes batches (`update`), joins another one (`merge`) and answers at any time. Sums are kept of
values shifted by the first batch's mean, so that a large mean costs no digits.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Moments:
    """Mean and biased covariance of all values, over any number of batches of shape (N, M)."""

    def __init__(self) -> None:
        self.count = 0
        self._shift: Array = np.zeros(0)
        self._sum: Array = np.zeros(0)
        self._product: Array = np.zeros((0, 0))

    def update(self, z: Array) -> None:
        """Add a batch of shape (N, M)."""
        if not self.count:
            self._start(z.mean(axis=0) if len(z) else np.zeros(z.shape[1]))
        shifted = z - self._shift
        self.count += len(z)
        self._sum += shifted.sum(axis=0)
        self._product += shifted.T @ shifted

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sum = np.zeros_like(shift)
        self._product = np.zeros((len(shift), len(shift)))

    def merge(self, other: "Moments") -> None:
        """Add the batches that another accumulator has seen."""
        if not other.count:
            return
        if not self.count:
            self._start(other._shift)
        d = other._shift - self._shift
        cross = np.outer(other._sum, d)
        self.count += other.count
        self._sum += other._sum + other.count * d
        self._product += other._product + cross + cross.T + other.count * np.outer(d, d)

    @property
    def mean(self) -> Array:
        """mu, shape (M,)."""
        return self._shift + self._sum / max(self.count, 1)

    @property
    def covariance(self) -> Array:
        """C = E[(z - mu)(z - mu)^T], shape (M, M), divided by the number of samples."""
        n = max(self.count, 1)
        mean = self._sum / n
        return self._product / n - np.outer(mean, mean)


class PositiveMoments:
    """Covariances and variances of each pair of units over the samples where BOTH are positive.

    The paper leaves ReLU's zeros out of covariance and correlation; a pair (i, j) then has its own samples, hence
    its own means and variances. With P = [Z > 0] four matrix products per batch hold them all: the counts P^T P,
    the sums Z^T P, the squares (Z^2)^T P and the products Z^T Z.
    """

    def __init__(self) -> None:
        self._count: Array = np.zeros((0, 0))
        self._shift: Array = np.zeros(0)
        self._sum = self._square = self._product = self._count

    def update(self, z: Array) -> None:
        """Add a batch of shape (N, M)."""
        positive = (z > 0).astype(np.float64)
        if not self._count.size:
            active = np.maximum(positive.sum(axis=0), 1)
            self._start((z * positive).sum(axis=0) / active)
        shifted = (z - self._shift) * positive
        self._count += positive.T @ positive
        self._sum += shifted.T @ positive
        self._square += np.square(shifted).T @ positive
        self._product += shifted.T @ shifted

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._count, self._sum, self._square, self._product = np.zeros((4, len(shift), len(shift)))

    def merge(self, other: "PositiveMoments") -> None:
        """Add the batches that another accumulator has seen."""
        if not other._count.size:
            return
        if not self._count.size:
            self._start(other._shift)
        d = other._shift - self._shift
        rows = d[:, None]
        self._count += other._count
        self._sum += other._sum + rows * other._count
        self._square += other._square + 2 * rows * other._sum + rows**2 * other._count
        self._product += other._product + other._sum * d + (other._sum * d).T + rows * d * other._count

    def pairs(self) -> tuple[Array, Array, Array, Array]:
        """(counts, covariance, variance of i, variance of j) of each pair (i, j); zero where nothing is shared."""
        n = np.maximum(self._count, 1)
        mean = self._sum / n
        variance = np.maximum(self._square / n - mean**2, 0)
        covariance = self._product / n - mean * mean.T
        return self._count, covariance, variance, variance.T
