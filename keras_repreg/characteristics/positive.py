"""Covariance of each pair of units over the samples where both are positive."""

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array, Moments, pieces


class PositiveMoments:
    """Covariances and variances of each pair of units over the samples where BOTH are positive.

    The paper leaves ReLU's zeros out of covariance and correlation; a pair (i, j) then has its own samples, hence
    its own means and variances. With P = [Z > 0] four matrix products per batch hold them all: the counts P^T P,
    the sums Z^T P, the squares (Z^2)^T P and the products Z^T Z. Of values that are never negative they hold the
    moments of all values as well.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._shift: Array = np.zeros(0)
        self._count: Array = np.zeros((0, 0))
        self._sum = self._square = self._product = self._count
        self._rows: list[NDArray[np.floating]] = []

    def update(self, z: Array) -> None:
        """Add a batch of shape (N, M)."""
        if not len(z):
            return
        if not self.samples:
            self._start(np.zeros(z.shape[1]))
        # A unit that was never positive has no sums yet, and its shift is still to choose.
        silent = np.diag(self._count) == 0
        if silent.any():
            self._shift[silent] = _positive_mean(z[:, silent])
        positive, narrow, shifted, squared = self._buffers(len(z))
        for rows in pieces(*z.shape):
            np.greater(z[rows], 0, out=positive[rows])
            narrow[rows] = positive[rows]
            np.subtract(z[rows], self._shift, out=shifted[rows])
            shifted[rows] *= positive[rows]
            np.square(shifted[rows], out=squared[rows])
        self.samples += len(z)
        # Counts up to 2^24 are exact in float32, in which a product takes half the time.
        self._count += narrow.T @ narrow
        self._sum += shifted.T @ positive
        self._square += squared.T @ positive
        self._product += shifted.T @ shifted

    def _buffers(self, rows: int) -> list[NDArray[np.floating]]:
        """Room for `rows` samples of P, P in float32, shifted Z and its square; kept from batch to batch."""
        if not self._rows or len(self._rows[0]) < rows:
            dtypes = (np.float64, np.float32, np.float64, np.float64)
            self._rows = [np.empty((rows, len(self._shift)), dtype) for dtype in dtypes]
        return [buffer[:rows] for buffer in self._rows]

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._count, self._sum, self._square, self._product = np.zeros((4, len(shift), len(shift)))

    def merge(self, other: "PositiveMoments") -> None:
        """Add the batches that another accumulator has seen."""
        if not other.samples:
            return
        if not self.samples:
            self._start(other._shift.copy())
        self._shift = np.where(np.diag(self._count) == 0, other._shift, self._shift)
        d = np.where(np.diag(other._count) == 0, 0, other._shift - self._shift)
        rows = d[:, None]
        self.samples += other.samples
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

    def all_values(self) -> Moments:
        """The moments of all values, zeros included, if none was negative.

        Then z_i = s_i + m_i p_i with p_i = [z_i > 0], the shift m_i and the shifted s_i, and the covariance of such
        sums is that of their terms. The counts are whole numbers: a unit that is always positive has cov(p_i, .)
        of exactly zero, however large its shift.
        """
        n = max(self.samples, 1)
        active, total = np.diag(self._count), np.diag(self._sum)
        # cov(p_i, p_j), cov(s_i, p_j) and cov(s_i, s_j).
        indicators = (n * self._count - np.outer(active, active)) / n**2
        mixed = self._sum / n - np.outer(total / n, active / n)
        mixed[:, active == n] = 0
        values = self._product / n - np.outer(total, total) / n**2
        cross = mixed * self._shift
        covariance = values + cross + cross.T + indicators * np.outer(self._shift, self._shift)
        return Moments.of(self.samples, (total + self._shift * active) / n, covariance)


def _positive_mean(z: Array) -> Array:
    """Of each unit, the mean of its positive values; 0 of none."""
    return np.maximum(z, 0).sum(axis=0) / np.maximum((z > 0).sum(axis=0), 1)
