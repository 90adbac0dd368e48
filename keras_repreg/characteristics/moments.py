"""Mean, covariance and fourth moment of all values, accumulated over batches in float64.

An accumulator adds batches (`update`) and other accumulators (`merge`), and can be read at any time. Values are shifted
by the mean of the first batch before they are summed, so that a large mean costs no precision.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Elementwise operations process a batch in pieces of this size, which fit in the processor's cache.
PIECE = 1 << 15


def pieces(rows: int, units: int) -> Iterator[slice]:
    """Yield slices of rows of about `PIECE` numbers."""
    step = max(PIECE // max(units, 1), 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


# Products Z^T Z with at most this number of multiplications are fast enough to always use float64.
QUICK = 1 << 24


def quick(rows: int, units: int) -> bool:
    """Return whether products of this size are formed in float64 for any dtype of the activations."""
    return rows * units**2 <= QUICK


def powers_of_two(values: Array) -> Array:
    """Return the powers of two closest to some magnitudes, within the range where they can be inverted and squared."""
    return np.asarray(np.ldexp(1.0, np.clip(np.frexp(values)[1], -500, 500)))


class Moments:
    """The mean, biased covariance and mean of ||z - mu||^4 over any number of batches of shape (N, M)."""

    def __init__(self) -> None:
        self.count = 0
        self._shift: Array = np.zeros(0)
        self._sum: Array = np.zeros(0)
        self._product: Array = np.zeros((0, 0))
        # Sums of r^2 and of r (z - shift), with r = ||z - shift||^2.
        self._fourth = 0.0
        self._third: Array = np.zeros(0)

    @classmethod
    def of(cls, count: int, mean: Array, covariance: Array) -> "Moments":
        """Return the moments of `count` samples with this mean and covariance, without the fourth moment."""
        moments = cls()
        moments.count = count
        moments._start(mean.copy())
        moments._product = count * covariance
        moments._fourth = float("nan")
        return moments

    def update(self, z: NDArray[Any], double: bool = True) -> None:
        """Add a batch of shape (N, M); without `double` its products are formed in float32.

        Their error is within 1e-7 of the product of two standard deviations, which is sufficient for norms of the
        covariance and for correlations, but not for its small eigenvalues. The fourth moment is then unknown.
        """
        if not len(z):
            return
        if not self.count:
            self._start(z.mean(axis=0, dtype=np.float64))
        self.count += len(z)
        if not double:
            self._update_in_float32(z)
            return
        shifted = z - self._shift
        self._sum += shifted.sum(axis=0)
        self._product += shifted.T @ shifted
        r = np.einsum("ni,ni->n", shifted, shifted)
        self._fourth += float(r @ r)
        self._third += r @ shifted

    def _update_in_float32(self, z: NDArray[Any]) -> None:
        # Divided by a power of two per unit, to keep squares within range.
        scale = powers_of_two(np.maximum(abs(z.max(axis=0) - self._shift), abs(z.min(axis=0) - self._shift)))
        single, ones, inverse = np.empty(z.shape, np.float32), np.ones(len(z)), 1 / scale
        for rows in pieces(*z.shape):
            shifted = z[rows] - self._shift
            self._sum += ones[rows] @ shifted
            shifted *= inverse
            single[rows] = shifted
        product = (single.T @ single) * scale
        product *= scale[:, None]
        self._product += product
        self._fourth = float("nan")

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sum, self._third = np.zeros((2, len(shift)))
        self._product = np.zeros((len(shift), len(shift)))

    def merge(self, other: "Moments") -> None:
        """Add the batches of another accumulator."""
        if not other.count:
            return
        if not self.count:
            self._start(other._shift)
        d = other._shift - self._shift
        cross = np.outer(other._sum, d)
        along, rest, squared, norms = other._sum @ d, other._product @ d, d @ d, np.trace(other._product)
        self._fourth += (
            other._fourth + 4 * (d @ rest + d @ other._third + squared * along)
            + 2 * squared * norms + other.count * squared**2
        )  # fmt: skip
        self._third += (
            other._third + 2 * rest + squared * other._sum
            + (norms + 2 * along + other.count * squared) * d
        )  # fmt: skip
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

    @property
    def fourth(self) -> float:
        """E[||z - mu||^4]."""
        n = max(self.count, 1)
        d = self._sum / n
        squared = d @ d
        total = (
            self._fourth + 4 * (d @ self._product @ d - d @ self._third)
            + 2 * squared * np.trace(self._product) - 3 * n * squared**2
        )  # fmt: skip
        return float(max(total / n, 0.0))
