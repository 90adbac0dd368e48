"""Mean and covariance of all values, streaming and in float64.

An accumulator takes batches (`update`), joins another one (`merge`) and answers at any time. Sums are kept of
values shifted by the first batch's mean, so that a large mean costs no digits.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Work entry by entry goes through a batch in pieces of so many numbers, which stay in the processor's cache.
PIECE = 1 << 16


def pieces(rows: int, units: int) -> Iterator[slice]:
    """Slices of rows, each of about `PIECE` numbers."""
    step = max(PIECE // max(units, 1), 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


class Moments:
    """Mean and biased covariance of all values, over any number of batches of shape (N, M)."""

    def __init__(self) -> None:
        self.count = 0
        self._shift: Array = np.zeros(0)
        self._sum: Array = np.zeros(0)
        self._product: Array = np.zeros((0, 0))

    @classmethod
    def of(cls, count: int, mean: Array, covariance: Array) -> "Moments":
        """Those of `count` samples with this mean and covariance."""
        moments = cls()
        moments.count = count
        moments._start(mean.copy())
        moments._product = count * covariance
        return moments

    def update(self, z: Array) -> None:
        """Add a batch of shape (N, M)."""
        if not len(z):
            return
        if not self.count:
            self._start(z.mean(axis=0))
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
