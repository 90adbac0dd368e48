"""Class means, and the variance within and between classes. Memory: classes times units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.spectrum import NULL_SPACE


class ClassMoments:
    """Sums by class, over any number of batches of shape (N, M) and labels (N,)."""

    def __init__(self) -> None:
        self._rows: dict[Any, int] = {}
        self._counts: Array = np.zeros(0)
        self._shift: Array = np.zeros(0)
        self._sums: Array = np.zeros((0, 0))
        self._square: Array = np.zeros(0)

    @property
    def number(self) -> int:
        """K, the number of classes so far."""
        return len(self._rows)

    def update(self, z: Array, labels: NDArray[Any]) -> None:
        """Add a batch of shape (N, M) and the class of each sample, shape (N,)."""
        if not len(z):
            return
        if not self._rows:
            self._start(z.mean(axis=0))
        present, inverse = np.unique(labels, return_inverse=True)
        indicators = np.zeros((len(present), len(z)))
        indicators[inverse.ravel(), np.arange(len(z))] = 1
        shifted = z - self._shift
        rows = self._find(present.tolist())
        self._counts[rows] += indicators.sum(axis=1)
        self._sums[rows] += indicators @ shifted
        self._square += np.square(shifted, out=shifted).sum(axis=0)

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sums = np.zeros((0, len(shift)))
        self._square = np.zeros_like(shift)

    def _find(self, labels: list[Any]) -> list[int]:
        rows = [self._rows.setdefault(label, len(self._rows)) for label in labels]
        added = len(self._rows) - len(self._counts)
        self._counts = np.concatenate([self._counts, np.zeros(added)])
        self._sums = np.concatenate([self._sums, np.zeros((added, len(self._shift)))])
        return rows

    def merge(self, other: "ClassMoments") -> None:
        """Add the batches that another accumulator has seen."""
        if not other._rows:
            return
        if not self._rows:
            self._start(other._shift)
        d = other._shift - self._shift
        rows = self._find(list(other._rows))
        self._square += other._square + 2 * d * other._sums.sum(axis=0) + other._counts.sum() * d**2
        self._counts[rows] += other._counts
        self._sums[rows] += other._sums + np.outer(other._counts, d)

    def between(self) -> Array:
        """A of shape (K, M) with S_B = A^T A: the class means about the mean, times sqrt(n_k / N)."""
        n = max(self._counts.sum(), 1)
        means = self._sums / np.maximum(self._counts, 1)[:, None]
        return (means - self._sums.sum(axis=0) / n) * np.sqrt(self._counts / n)[:, None]

    def variances(self) -> tuple[float, float]:
        """Means over units of the variance within and between classes; they sum to the mean variance."""
        if not self._rows:
            return 0.0, 0.0
        n = self._counts.sum()
        within = self._square / n - (np.square(self._sums) / self._counts[:, None]).sum(axis=0) / n
        return float(np.maximum(within, 0).mean()), float(np.square(self.between()).sum(axis=0).mean())

    def nc1(self, covariance: Array) -> float:
        """trace(S_W S_B^+) / K of all samples' covariance C = S_W + S_B; 0 if the class means are all equal."""
        _, spread, directions = np.linalg.svd(self.between(), full_matrices=False)
        spread = np.square(spread)
        kept = spread > NULL_SPACE * spread.max(initial=0)
        along = np.einsum("ri,ij,rj->r", directions[kept], covariance, directions[kept], optimize=True)
        # Along a direction of S_B, of which `spread` is the eigenvalue, S_W is what is left of C.
        return float(np.sum(np.maximum(along - spread[kept], 0) / spread[kept]) / max(self.number, 1))
