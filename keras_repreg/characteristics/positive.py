"""Sums over the samples where both units of a pair are positive, for the covariance of the pair."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array, Moments, pieces, powers_of_two, quick

# The counts, sums of i and j, squares of i and j, and products of the pairs (i, j) of a tile.
PairSums = tuple[NDArray[np.floating], ...]


class PositiveMoments:
    """Sums for each pair of units over the samples where BOTH are positive.

    The paper excludes ReLU's zeros from covariance and correlation, so each pair (i, j) has its own samples, means and
    variances. With P = [Z > 0] and Z shifted by a mean per unit, four matrix products per batch give all sums: the
    counts P^T P, the sums Z^T P, the squares (Z^2)^T P and the products Z^T Z.

    Attributes:
        tile: The number of pairs per tile, whose sums fit in the processor's cache.
    """

    tile = 1 << 16

    def __init__(self) -> None:
        self.samples = 0
        self.shift: Array = np.zeros(0)
        self._count: Array = np.zeros((0, 0))
        self._sum = self._square = self._product = self._count

    def update(self, z: NDArray[Any], double: bool) -> None:
        """Add a batch of shape (N, M); without `double` its products are formed in float32."""
        if not len(z):
            return
        if not self.samples:
            self._start(np.zeros(z.shape[1]))
        # A unit that has never been positive has no sums, so its shift can still be chosen.
        silent = np.diag(self._count) == 0
        if silent.any():
            self.shift[silent] = positive_mean(z[:, silent], double)
        self.samples += len(z)
        active, values, squares, scale = terms(z, self.shift, double or quick(*z.shape))
        rows = scale[:, None]
        self._count += active.T @ active
        self._sum += (values.T @ active) * rows
        self._square += (squares.T @ active) * rows**2
        self._product += (values.T @ values) * rows * scale

    def _start(self, shift: Array) -> None:
        self.shift = shift
        self._count, self._sum, self._square, self._product = (np.zeros((len(shift), len(shift))) for _ in range(4))

    def merge(self, other: "PositiveMoments") -> None:
        """Add the batches of another accumulator."""
        if not other.samples:
            return
        if not self.samples:
            self._start(other.shift.copy())
        self.shift = np.where(np.diag(self._count) == 0, other.shift, self.shift)
        d = np.where(np.diag(other._count) == 0, 0, other.shift - self.shift)
        rows = d[:, None]
        self.samples += other.samples
        self._count += other._count
        self._sum += other._sum + rows * other._count
        self._square += other._square + 2 * rows * other._sum + rows**2 * other._count
        self._product += other._product + other._sum * d + (other._sum * d).T + rows * d * other._count

    def sums(self, rows: slice, columns: slice) -> PairSums:
        """The sums of the pairs (i, j), i in `rows` and j in `columns`."""
        return (
            self._count[rows, columns],
            self._sum[rows, columns],
            self._sum[columns, rows].T,
            self._square[rows, columns],
            self._square[columns, rows].T,
            self._product[rows, columns],
        )

    def of_units(self) -> tuple[Array, Array, Array]:
        """Count, sum and sum of squares of each unit's positive values."""
        return np.diag(self._count), np.diag(self._sum), np.diag(self._square)

    @property
    def scale(self) -> Array:
        """The divisor of the values of each unit in `sums`, which is one."""
        return np.ones_like(self.shift)

    def all_values(self) -> Moments:
        """Return the mean and covariance of all values, including zeros, if none is negative.

        Then z_i = s_i + m_i p_i with p_i = [z_i > 0], the shift m_i and the shifted value s_i, and the covariance
        follows from the covariances of these terms. The counts are whole numbers, so a unit that is always positive has
        a cov(p_i, .) of exactly zero for any shift.
        """
        n = max(self.samples, 1)
        active, total = np.diag(self._count), np.diag(self._sum)
        # cov(p_i, p_j), cov(s_i, p_j) and cov(s_i, s_j).
        indicators = (n * self._count - np.outer(active, active)) / n**2
        mixed = self._sum / n - np.outer(total / n, active / n)
        mixed[:, active == n] = 0
        covariance = self._product / n - np.outer(total / n, total / n)
        cross = mixed * self.shift
        covariance += cross + cross.T + indicators * np.outer(self.shift, self.shift)
        return Moments.of(self.samples, (total + self.shift * active) / n, covariance)


class PositiveRows:
    """The same sums, computed from the samples for requested pairs only.

    Attributes:
        scale: The divisor of the values of each unit, which keeps their squares within the range of float32.
        shift: The shift of each unit, divided by the scale.
        tile: The number of pairs per tile, large enough for fast matrix products.
    """

    tile = 1 << 18

    def __init__(self, z: NDArray[Any], double: bool):
        double = double or quick(*z.shape)
        shift = positive_mean(z, double)
        self._active, self._values, self._squares, self.scale = terms(z, shift, double)
        self.shift = shift / self.scale

    def of_units(self) -> tuple[Array, Array, Array]:
        """Count, sum and sum of squares of each unit's positive values."""
        terms = (self._active, self._values, self._squares)
        count, total, square = (part.sum(axis=0, dtype=np.float64) for part in terms)
        return count, total, square

    def sums(self, rows: slice, columns: slice) -> PairSums:
        """The sums of the pairs (i, j), i in `rows` and j in `columns`."""
        active, values, squares = (part[:, rows].T for part in (self._active, self._values, self._squares))
        return (
            active @ self._active[:, columns],
            values @ self._active[:, columns],
            active @ self._values[:, columns],
            squares @ self._active[:, columns],
            active @ self._squares[:, columns],
            values @ self._values[:, columns],
        )


def positive_mean(z: NDArray[Any], double: bool) -> Array:
    """Return the mean of each unit's positive values, 0 where there are none; without `double` rounded to float32."""
    total, number = np.zeros((2, z.shape[1]))
    for rows in pieces(*z.shape):
        total += np.maximum(z[rows], 0).sum(axis=0, dtype=np.float64)
        number += np.count_nonzero(z[rows] > 0, axis=0)
    mean = total / np.maximum(number, 1)
    return mean if double else mean.astype(np.float32).astype(np.float64)


def terms(z: NDArray[Any], shift: NDArray[Any], double: bool) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], Array]:
    """Return [z > 0], (z - shift) / scale and its square where z > 0, and the scale of each unit, a power of two.

    They are in float32 unless `double` is True; the scale keeps them within its range. The shift must then be exact in
    float32, so that each difference is rounded only once.
    """
    scale = np.ones(z.shape[1]) if double else powers_of_two(np.maximum(z.max(axis=0, initial=0), shift))
    dtype = np.float64 if double else np.float32
    active, values, squares = (np.empty(z.shape, dtype) for _ in range(3))
    shift, inverse = shift.astype(dtype), (1 / scale).astype(dtype)
    for rows in pieces(*z.shape):
        positive, shifted = active[rows], values[rows]
        np.greater(z[rows], 0, out=positive)
        np.subtract(z[rows], shift, out=shifted, casting="same_kind")
        shifted *= inverse
        shifted *= positive
        np.square(shifted, out=squares[rows])
    return active, values, squares, scale


def tiles(units: int, size: int = 1 << 18) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of tiles of about `size` numbers that cover the pairs of units i <= j."""
    step = max(size // max(units, 1), 1)
    return ((slice(start, min(start + step, units)), slice(start, units)) for start in range(0, units, step))
