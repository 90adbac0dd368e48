"""Means of covariance and correlation over pairs of units, computed in tiles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.positive import PairSums, tiles

# A unit whose standard deviation is two units in the last place varies only by rounding: it is constant and has no
# correlation with others. As a fraction of the second moment, for float32 and float64 activations.
CONSTANT = (2 * 2.0**-23) ** 2
CONSTANT_IN_FLOAT64 = (2 * 2.0**-52) ** 2


@dataclass(frozen=True)
class Tile:
    """Pairs (i, j), i in `rows`, j in `columns`, i < j where `defined`.

    The covariance, in units of `scale_i scale_j`, is valid where `defined`, and the correlation where `correlated`;
    other entries hold arbitrary finite values.
    """

    rows: slice
    columns: slice
    defined: NDArray[np.bool_]
    correlated: NDArray[np.bool_]
    covariance: NDArray[np.floating]
    correlation: NDArray[np.floating]
    scale: Array


class PairSource(Protocol):
    """A source of sums over positive values, in units of a scale."""

    @property
    def shift(self) -> Array: ...

    @property
    def scale(self) -> Array: ...

    @property
    def tile(self) -> int: ...

    def of_units(self) -> tuple[Array, Array, Array]: ...

    def sums(self, rows: slice, columns: slice) -> PairSums: ...


def positive_pairs(source: PairSource, double: bool) -> Iterator[Tile]:
    """Yield pairs of units over the samples where both are positive."""
    shift, scale = source.shift, source.scale
    units = len(shift)
    number, total, second = source.of_units()
    # E[z^2] over the positive values of the unit.
    threshold = (second + 2 * shift * total) / np.maximum(number, 1) + shift**2
    threshold *= CONSTANT_IN_FLOAT64 if double else CONSTANT
    every = np.arange(units)
    for rows, columns in tiles(units, source.tile):
        count, sum_i, sum_j, square_i, square_j, product = source.sums(rows, columns)
        defined = (count >= 2) & (every[columns] > every[rows, None])
        share = 1 / np.maximum(count, 1)
        mean_i, mean_j = sum_i * share, sum_j * share
        variance_i, variance_j, covariance = square_i * share, square_j * share, product * share
        variance_i -= np.square(mean_i)
        variance_j -= np.square(mean_j)
        covariance -= mean_i * mean_j
        limit = threshold.astype(share.dtype)
        correlated = defined & (variance_i > limit[rows, None]) & (variance_j > limit[columns])
        # Two roots, because the product of two small variances can underflow.
        deviations = np.sqrt(np.where(correlated, variance_i, 1))
        deviations *= np.sqrt(np.where(correlated, variance_j, 1))
        correlation = np.divide(covariance, deviations, out=deviations)
        np.clip(correlation, -1, 1, out=correlation)
        yield Tile(rows, columns, defined, correlated, covariance, correlation, scale)


@dataclass(frozen=True)
class Blocks:
    """The covariance of all values, as `scale_i scale_j block(rows, columns)`; each call returns a new array."""

    count: int
    mean: Array
    variance: Array
    scale: Array
    block: Callable[[slice, slice], NDArray[Any]]


def all_pairs(blocks: Blocks, double: bool) -> Iterator[Tile]:
    """Yield pairs of units over all samples."""
    every = np.arange(len(blocks.mean))
    varies = varying(blocks.mean, blocks.variance, double)
    # In units of the scale.
    deviation = np.where(varies, np.sqrt(np.where(varies, blocks.variance, 1)) / blocks.scale, 1)
    for rows, columns in tiles(len(blocks.mean)):
        block = blocks.block(rows, columns).astype(np.float64, copy=False)
        defined = (every[columns] > every[rows, None]) & (blocks.count >= 2)
        correlated = defined & varies[rows, None] & varies[columns]
        correlation = np.clip(block / deviation[rows, None] / deviation[columns], -1, 1)
        yield Tile(rows, columns, defined, correlated, block, correlation, blocks.scale)


def varying(mean: Array, variance: Array, double: bool) -> NDArray[np.bool_]:
    """Return which units are not constant, shape (M,)."""
    return variance > (CONSTANT_IN_FLOAT64 if double else CONSTANT) * (mean**2 + variance)


@dataclass(frozen=True)
class PairMeans:
    """Means over the pairs i != j for which they are defined; 0 without pairs.

    The covariance of a pair needs two samples; pairs with fewer are ignored. The mean correlation also ignores pairs
    with a constant unit.
    """

    covariance: float
    signed_covariance: float
    correlation: float
    signed_correlation: float

    @classmethod
    def of_all(cls, blocks: Blocks, double: bool) -> "PairMeans":
        """Return the means over `all_pairs`, from products with vectors instead of single pairs."""
        units = len(blocks.mean)
        if blocks.count < 2 or units < 2:
            return cls(0.0, 0.0, 0.0, 0.0)
        varies = varying(blocks.mean, blocks.variance, double)
        inverse = np.where(varies, blocks.scale / np.sqrt(np.where(varies, blocks.variance, 1)), 0)
        largest = blocks.scale.max()
        weights = np.stack([blocks.scale / largest, inverse], axis=1)
        sums = np.zeros((2, 2))
        for rows, columns in tiles(units):
            block = blocks.block(rows, columns)
            diagonal = block[:, : rows.stop - rows.start]
            diagonal[np.tril_indices(len(diagonal))] = 0
            left, right = weights[rows], weights[columns].astype(block.dtype)
            sums[0] += ((block @ right) * left).sum(axis=0)
            sums[1] += ((np.abs(block, out=block) @ right) * left).sum(axis=0)
        sums[:, 0] *= largest**2 / (units * (units - 1) / 2)
        sums[:, 1] /= max(np.sum(varies) * (np.sum(varies) - 1) / 2, 1)
        (signed_covariance, signed_correlation), (covariance, correlation) = sums.tolist()
        bounded = min(correlation, 1.0)
        return cls(covariance, signed_covariance, bounded, min(max(signed_correlation, -bounded), bounded))

    @classmethod
    def of(cls, pairs: Iterator[Tile]) -> "PairMeans":
        """Return the means over all tiles."""
        sums, numbers = np.zeros(4), np.zeros(2)
        for tile in pairs:
            correlation = tile.correlation * tile.correlated
            covariance = tile.covariance * tile.defined
            # The sum over the pairs of a unit keeps their dtype.
            left, right = tile.scale[tile.rows], (tile.scale[tile.columns] / tile.scale.max()).astype(covariance.dtype)
            signed, magnitude = covariance @ right, np.abs(covariance) @ right
            numbers += np.count_nonzero(tile.defined), np.count_nonzero(tile.correlated)
            top = tile.scale.max()
            sums += top * (left @ magnitude), top * (left @ signed), np.abs(correlation).sum(), correlation.sum()
        return cls(*(sums / np.maximum(numbers, 1).repeat(2)).tolist())


def mean(values: Array) -> float:
    """Return the mean, or 0 for an empty array."""
    return float(values.mean()) if values.size else 0.0
