"""What one unit at a time tells: amplitude, zeros, mean and variance. Memory grows with the width alone."""

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array, pieces


class UnitMoments:
    """Mean, variance, zeros and amplitude of each unit, over any number of batches of shape (N, M).

    Args:
        positive_only: Take the amplitude over positive values only.
    """

    def __init__(self, positive_only: bool) -> None:
        self.positive_only = positive_only
        self.count = 0
        self._magnitude = 0.0
        self._measured = 0
        self._zeros = 0
        self._alive: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._shift: Array = np.zeros(0)
        self._sum: Array = np.zeros(0)
        self._square: Array = np.zeros(0)

    def update(self, z: Array) -> None:
        """Add a batch of shape (N, M)."""
        if not len(z):
            return
        if not self.count:
            self._start(z.mean(axis=0))
        self.count += len(z)
        for rows in pieces(*z.shape):
            values = z[rows]
            nonzero = values != 0
            self._zeros += nonzero.size - int(np.count_nonzero(nonzero))
            self._alive |= nonzero.any(axis=0)
            magnitudes = np.maximum(values, 0) if self.positive_only else np.abs(values)
            self._magnitude += float(magnitudes.sum())
            self._measured += int(np.count_nonzero(magnitudes)) if self.positive_only else values.size
            shifted = values - self._shift
            self._sum += shifted.sum(axis=0)
            self._square += np.square(shifted, out=shifted).sum(axis=0)

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sum, self._square = np.zeros((2, len(shift)))
        self._alive = np.zeros(len(shift), dtype=bool)

    def merge(self, other: "UnitMoments") -> None:
        """Add the batches that another accumulator has seen."""
        if not other.count:
            return
        if not self.count:
            self._start(other._shift)
        d = other._shift - self._shift
        self.count += other.count
        self._magnitude += other._magnitude
        self._measured += other._measured
        self._zeros += other._zeros
        self._alive = self._alive | other._alive
        self._square += other._square + 2 * d * other._sum + other.count * d**2
        self._sum += other._sum + other.count * d

    @property
    def mean(self) -> Array:
        """mu_i, shape (M,)."""
        return self._shift + self._sum / max(self.count, 1)

    @property
    def variance(self) -> Array:
        """v_i = E[(z_i - mu_i)^2], shape (M,)."""
        n = max(self.count, 1)
        return np.maximum(self._square / n - np.square(self._sum / n), 0)

    @property
    def amplitude(self) -> float:
        """E[abs(z_i)]."""
        return self._magnitude / max(self._measured, 1)

    @property
    def sparsity(self) -> float:
        """P_s, the fraction of values that are zero."""
        return self._zeros / max(self.count * len(self._alive), 1)

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which units are zero for every sample, shape (M,)."""
        return ~self._alive

    @property
    def dead_units(self) -> float:
        """P_d, the fraction of units that are zero for every sample."""
        return float(self.dead.mean()) if self.dead.size else 0.0
