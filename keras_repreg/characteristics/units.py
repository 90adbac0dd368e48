"""Statistics of single units: amplitude, zeros, mean and variance. Memory grows only with the width."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array, pieces

# Sokar et al. (2023) call a unit dormant if its score is at most this.
DORMANT = 0.025


class UnitMoments:
    """The amplitude and zeros, and optionally mean and variance, of each unit over batches of shape (N, M).

    Args:
        positive_only: Compute the amplitude over positive values only.
        spread: Whether to accumulate mean and variance.
    """

    def __init__(self, positive_only: bool, spread: bool = True) -> None:
        self.positive_only = positive_only
        self._spread = spread
        self.count = 0
        self._shift: Array = np.zeros(0)
        # One row each: values - shift, their squares, magnitudes, positive values, and the counts of nonzero and
        # positive values.
        self._sums: Array = np.zeros((6, 0))

    def update(self, z: NDArray[Any]) -> None:
        """Add a batch of shape (N, M)."""
        if not len(z):
            return
        if not self.count:
            self._start(z.mean(axis=0, dtype=np.float64) if self._spread else np.zeros(z.shape[1]))
        self.count += len(z)
        for rows in pieces(*z.shape):
            values = z[rows].astype(np.float64)
            ones, flags = np.ones(len(values)), np.empty(values.shape, np.float32)
            few = ones.astype(np.float32)  # its sums are whole numbers that float32 can hold
            self._sums[4] += few @ np.not_equal(values, 0, out=flags)
            if values.min() < 0:
                if self.positive_only:
                    self._sums[5] += few @ np.greater(values, 0, out=flags)
                    self._sums[3] += ones @ np.maximum(values, 0)
                self._sums[2] += ones @ np.abs(values)
            else:
                self._sums[5] += few @ flags
                self._sums[2:4] += ones @ values
            if self._spread:
                values -= self._shift
                self._sums[0] += ones @ values
                self._sums[1] += ones @ np.square(values, out=values)

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sums = np.zeros((6, len(shift)))

    def merge(self, other: "UnitMoments") -> None:
        """Add the batches of another accumulator."""
        if not other.count:
            return
        if not self.count:
            self._start(other._shift)
        d = other._shift - self._shift
        self.count += other.count
        self._sums += other._sums
        self._sums[1] += 2 * d * other._sums[0] + other.count * d**2
        self._sums[0] += other.count * d

    @property
    def mean(self) -> Array:
        """mu_i, shape (M,)."""
        return self._shift + self._sums[0] / max(self.count, 1)

    @property
    def variance(self) -> Array:
        """v_i = E[(z_i - mu_i)^2], shape (M,)."""
        n = max(self.count, 1)
        return np.maximum(self._sums[1] / n - np.square(self._sums[0] / n), 0)

    @property
    def amplitudes(self) -> Array:
        """E[abs(z_i)] of each unit, shape (M,)."""
        if self.positive_only:
            return self._sums[3] / np.maximum(self._sums[5], 1)
        return self._sums[2] / max(self.count, 1)

    @property
    def amplitude(self) -> float:
        """E[abs(z)] over all units."""
        total, number = (self._sums[3], self._sums[5].sum()) if self.positive_only else (self._sums[2], self._values)
        return float(total.sum() / max(number, 1))

    @property
    def _values(self) -> int:
        return self.count * len(self._shift)

    @property
    def sparsities(self) -> Array:
        """The fraction of values of each unit that are zero, shape (M,)."""
        return 1 - self._sums[4] / max(self.count, 1)

    @property
    def sparsity(self) -> float:
        """P_s, the fraction of values that are zero."""
        return float((self._values - self._sums[4].sum()) / max(self._values, 1))

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Return which units are zero for every sample, shape (M,)."""
        return self._sums[4] == 0

    @property
    def dead_units(self) -> float:
        """P_d, the fraction of units that are zero for every sample."""
        return float(self.dead.mean()) if self.dead.size else 0.0

    @property
    def dormant_scores(self) -> Array:
        """E[abs(z_i)] relative to its mean over the units, shape (M,); 0 if all values are zero."""
        magnitudes = self._sums[2]
        average = magnitudes.mean() if magnitudes.size else 0.0
        return magnitudes / average if average > 0 else np.zeros_like(magnitudes)

    @property
    def dormant_units(self) -> float:
        """The fraction of units with a dormant score of at most `DORMANT`."""
        scores = self.dormant_scores
        return float(np.mean(scores <= DORMANT)) if scores.size else 0.0
