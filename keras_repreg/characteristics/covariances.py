"""Second-order statistics of one set of samples, accumulated over batches.

Samples are stored until there are more samples than units. Until then all statistics are computed from the samples
themselves: their N x N Gram matrix has the eigenvalues of the covariance, and pairs of units are formed in tiles.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics import spectrum
from keras_repreg.characteristics.moments import Array, Moments, pieces, powers_of_two, quick
from keras_repreg.characteristics.pairs import Blocks, PairMeans, Tile, all_pairs, positive_pairs
from keras_repreg.characteristics.positive import PositiveMoments, PositiveRows

# An M x M product costs almost the same for few samples as for M, so at least this number of samples is collected.
BLOCK = 1024


class Covariances:
    """Accumulates the sums for the covariance of all values and for pairs of positive values.

    Args:
        pairs: Whether to accumulate pairs of positive values.
        covariance: Whether to accumulate the covariance of all values.
        precise: Whether to form its products in float64, as required by small eigenvalues. Otherwise float32
            activations are multiplied in float32, and as long as no value is negative the covariance is derived from
            the pairs of positive values.
    """

    def __init__(self, pairs: bool, covariance: bool, precise: bool = True):
        self._wants_pairs, self._wants_covariance, self._precise = pairs, covariance, precise
        self._derived = pairs and covariance and not precise
        self._moments = Moments()
        self._positive = PositiveMoments()
        self._rows: NDArray[Any] = np.empty((0, 0), np.float32)
        self._waiting = 0
        self._double = False

    @staticmethod
    def memory(units: int, pairs: bool, covariance: bool, samples: int | None = None) -> int:
        """Return the maximum memory in bytes for any number of samples, or the memory after `samples` in float32."""
        limit = max(units, BLOCK)
        sums = 0 if samples is not None and samples <= limit else units**2 * 8 * (covariance + 4 * pairs)
        return sums + units * (limit * 8 if samples is None else min(samples, limit) * 4)

    def update(self, z: NDArray[Any]) -> None:
        """Add a batch of shape (N, M)."""
        self._double = self._double or has_digits_of_float64(z)
        limit = max(BLOCK, z.shape[1])
        start = 0
        while start < len(z):
            if self._waiting == limit:
                self.flush()
            part = z[start : start + limit - self._waiting]
            start += len(part)
            if len(part) == limit and self._summed:
                self._add(part)
            else:
                self._keep(part, limit)

    @property
    def _summed(self) -> bool:
        """Return whether there have been more samples than are stored."""
        return bool(self._moments.count or self._positive.samples)

    def _keep(self, z: NDArray[Any], limit: int) -> None:
        needed = self._waiting + len(z)
        dtype = np.result_type(self._rows.dtype, z.dtype, np.float32)
        if needed > len(self._rows) or dtype != self._rows.dtype:
            length = limit if self._summed else min(max(needed, 2 * len(self._rows)), limit)
            rows = np.empty((length, z.shape[1]), dtype)
            if self._waiting:
                rows[: self._waiting] = self._rows[: self._waiting]
            self._rows = rows
        self._rows[self._waiting : needed] = z
        self._waiting = needed

    def flush(self) -> None:
        """Add the stored samples to the sums."""
        waiting, self._waiting = self._waiting, 0
        if waiting:
            self._add(self._rows[:waiting])
            self._rows = self._rows[:0].copy()

    def _add(self, z: NDArray[Any]) -> None:
        if self._derived and z.min(initial=0) < 0:
            self._stop_deriving()
        if self._wants_covariance and not self._derived:
            self._moments.update(z, self._precise or self._double or quick(*z.shape))
        if self._wants_pairs:
            self._positive.update(z, self._double)

    def _stop_deriving(self) -> None:
        """Accumulate all values separately from now on, because some are negative."""
        self._moments, self._derived = self._positive.all_values(), False

    def merge(self, other: "Covariances") -> None:
        """Add the batches of another accumulator."""
        if other._waiting:
            self.update(other._rows[: other._waiting])
        self._double = self._double or other._double
        if self._derived != other._derived:
            for one in (self, other):
                if one._derived:
                    one._stop_deriving()
        self._moments.merge(other._moments)
        self._positive.merge(other._positive)

    @property
    def moments(self) -> Moments:
        """Return the mean and covariance of all values."""
        self.flush()
        return self._positive.all_values() if self._derived else self._moments

    def now(self) -> "SecondOrder":
        """Return the second-order statistics of all samples."""
        rows = self._rows[: self._waiting] if self._waiting and not self._summed else None
        moments = self.moments if rows is None else self._moments
        positive = self._positive if self._wants_pairs else None
        return SecondOrder(moments, positive, rows, self._double, self._precise)


class SecondOrder:
    """Second-order statistics of one set of samples, each computed once, on first use.

    Args:
        moments: The moments of all values, unless `rows` is given.
        positive: The sums over positive values, if pairs use only these; empty if `rows` is given.
        rows: The samples.
        double: Whether the activations have more digits than float32 can hold.
        precise: See `Covariances`.
    """

    def __init__(
        self,
        moments: Moments,
        positive: PositiveMoments | None,
        rows: NDArray[Any] | None,
        double: bool,
        precise: bool = True,
    ):
        self._moments, self._positive, self._rows, self._double = moments, positive, rows, double
        # The dtypes of products of samples for pairs and for the whole covariance.
        self._single_pairs = not (double or rows is None or quick(*rows.shape))
        self._single = self._single_pairs and not precise

    @property
    def count(self) -> int:
        """N, the number of samples."""
        if self._rows is not None:
            return len(self._rows)
        return self._moments.count or (self._positive.samples if self._positive is not None else 0)

    @cached_property
    def mean(self) -> Array:
        """mu, shape (M,)."""
        return self._moments.mean if self._rows is None else self._rows.mean(axis=0, dtype=np.float64)

    @cached_property
    def _centred(self) -> Array:
        """The samples minus their mean, divided by sqrt(N)."""
        assert self._rows is not None
        centred = self._rows - self.mean
        # The rounding error of the mean is constant and must not count as variance.
        return (centred - centred.mean(axis=0)) / np.sqrt(max(len(self._rows), 1))

    @cached_property
    def covariance(self) -> Array:
        """C, shape (M, M)."""
        if self._rows is None:
            return self._moments.covariance
        if not self._single:
            return self._centred.T @ self._centred
        scale = self._in_float32.scale
        covariance = self._product_in_float32 * scale
        covariance *= scale[:, None]
        return covariance

    @cached_property
    def _in_float32(self) -> "ScaledRows":
        assert self._rows is not None
        return ScaledRows(self._rows, self.mean)

    @cached_property
    def _product_in_float32(self) -> NDArray[np.float32]:
        z = self._in_float32.values
        return z.T @ z

    @cached_property
    def core(self) -> Array:
        """The smaller of the covariance and the Gram matrix of the samples, whose nonzero eigenvalues are equal."""
        if self._rows is None or len(self._rows) >= self._rows.shape[1]:
            return self.covariance
        return self._centred @ self._centred.T

    @cached_property
    def variance(self) -> Array:
        """v_i, shape (M,)."""
        if self._rows is None:
            return np.maximum(np.diag(self.covariance), 0)
        return self._in_float32.variance if self._single_pairs else np.square(self._centred).sum(axis=0)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the covariance, shape (M,), the largest first."""
        return self._padded(spectrum.eigenvalues(self.core))

    @cached_property
    def singular_values(self) -> Array:
        """Singular values of Z divided by sqrt(N), shape (M,), the largest first."""
        if self._rows is None or len(self._rows) >= self._rows.shape[1]:
            second = self.covariance + np.outer(self.mean, self.mean)
        else:
            z = self._rows / np.sqrt(len(self._rows), dtype=np.float64)
            second = z @ z.T
        return self._padded(np.sqrt(spectrum.eigenvalues(second)))

    def _padded(self, values: Array) -> Array:
        return np.concatenate([values, np.zeros(len(self.mean) - len(values))])

    @cached_property
    def unbiased_participation_ratio(self) -> float:
        """Return (tr C)^2 / tr C^2 from unbiased estimates of both."""
        if self._rows is None:
            fourth = self._moments.fourth
        else:
            fourth = float(np.mean((len(self._rows) * np.square(self._centred).sum(axis=1)) ** 2))
        return spectrum.unbiased_participation_ratio(self.core, self.count, fourth, len(self.mean))

    def along(self, directions: Array) -> Array:
        """Return d^T C d for each row d of the directions."""
        if self._rows is None:
            return np.einsum("ri,ij,rj->r", directions, self.covariance, directions, optimize=True)
        return np.square(self._centred @ directions.T).sum(axis=0)

    def tiles(self) -> Iterator[Tile]:
        """Yield the pairs of units, restricted to samples where both are positive if only these count."""
        if self._positive is not None:
            source = self._positive if self._rows is None else PositiveRows(self._rows, self._double)
            return positive_pairs(source, self._double)
        return all_pairs(self._blocks(), self._double)

    @cached_property
    def pairs(self) -> PairMeans:
        """The means over pairs of units."""
        if self._positive is not None:
            return PairMeans.of(self.tiles())
        return PairMeans.of_all(self._blocks(), self._double)

    def _blocks(self) -> Blocks:
        """Return blocks of the covariance of all values, as products of samples if the whole matrix is not needed."""
        units = len(self.mean)
        z: NDArray[Any]
        whole = self._rows is None or len(self._rows) >= units or "covariance" in vars(self)
        if self._rows is not None and self._single_pairs and (not whole or self._single):
            z, scale = self._in_float32.values, self._in_float32.scale
            if whole:
                product = self._product_in_float32
                return Blocks(self.count, self.mean, self.variance, scale, lambda i, j: product[i, j].copy())
        elif whole:
            c = self.covariance
            return Blocks(self.count, self.mean, self.variance, np.ones(units), lambda i, j: c[i, j].copy())
        else:
            z, scale = self._centred, np.ones(units)
        return Blocks(self.count, self.mean, self.variance, scale, lambda i, j: z[:, i].T @ z[:, j])


class ScaledRows:
    """Samples in float32, centred and divided by sqrt(N) and by a power of two per unit.

    Attributes:
        values: Shape (N, M), with magnitudes of at most 1.
        scale: The powers of two, shape (M,).
        variance: The variance of each unit, shape (M,).
    """

    def __init__(self, z: NDArray[Any], mean: Array):
        root = np.sqrt(max(len(z), 1))
        self.scale = powers_of_two(np.maximum(z.max(axis=0) - mean, mean - z.min(axis=0)) / root)
        self.values = np.empty(z.shape, np.float32)
        inverse = 1 / (root * self.scale)
        squares = np.zeros(z.shape[1])
        for rows in pieces(*z.shape):
            centred = z[rows] - mean
            centred *= inverse
            self.values[rows] = centred
            squares += np.einsum("ni,ni->i", centred, centred)
        self.variance = squares * self.scale**2


def has_digits_of_float64(z: NDArray[Any]) -> bool:
    """Return whether some value has more digits than float32 can hold, assuming that whole numbers are exact."""
    with np.errstate(over="ignore"):
        return z.dtype.kind in "iu" or (z.dtype == np.float64 and bool((z != z.astype(np.float32)).any()))
