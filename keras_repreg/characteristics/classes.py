"""Class means, the variance within and between classes, and the geometry of the means, in memory O(K M)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array, pieces
from keras_repreg.characteristics.spectrum import NULL_SPACE, effective_rank, eigenvalues

# LiDAR adds this fraction of the mean within-class variance to each variance, to make S_W invertible.
LIDAR_RIDGE = 1e-4
# Means with squared distances below this fraction of E||z||^2 count as equal: such distances are rounding errors.
EQUAL = (16 * 2.0**-52) ** 2


class ClassMoments:
    """Sums per class over any number of batches of shape (N, M) and labels (N,)."""

    def __init__(self) -> None:
        self._rows: dict[Any, int] = {}
        self._counts: Array = np.zeros(0)
        self._norms: Array = np.zeros(0)
        self._shift: Array = np.zeros(0)
        self._sums: Array = np.zeros((0, 0))
        self._square: Array = np.zeros(0)

    @property
    def number(self) -> int:
        """K, the number of classes."""
        return len(self._rows)

    @property
    def labels(self) -> list[Any]:
        """The classes, in the order of the rows of `means`."""
        return list(self._rows)

    @property
    def counts(self) -> NDArray[np.intp]:
        """The number of samples of each class, shape (K,)."""
        return self._counts.astype(np.intp)

    def update(self, z: NDArray[Any], labels: NDArray[Any]) -> None:
        """Add a batch of shape (N, M) and the class of each sample, shape (N,)."""
        if not len(z):
            return
        if not self._rows:
            self._start(z.mean(axis=0, dtype=np.float64))
        present, inverse = np.unique(labels, return_inverse=True)
        rows = self._find(present.tolist())
        inverse = inverse.ravel()
        for part in pieces(*z.shape):
            shifted = z[part] - self._shift
            indicators = np.zeros((len(present), len(shifted)))
            indicators[inverse[part], np.arange(len(shifted))] = 1
            self._counts[rows] += indicators.sum(axis=1)
            self._sums[rows] += indicators @ shifted
            square = np.square(shifted, out=shifted)
            self._square += square.sum(axis=0)
            self._norms[rows] += indicators @ square.sum(axis=1)

    def _start(self, shift: Array) -> None:
        self._shift = shift
        self._sums = np.zeros((0, len(shift)))
        self._square = np.zeros_like(shift)

    def _find(self, labels: list[Any]) -> list[int]:
        rows = [self._rows.setdefault(label, len(self._rows)) for label in labels]
        added = len(self._rows) - len(self._counts)
        self._counts = np.concatenate([self._counts, np.zeros(added)])
        self._norms = np.concatenate([self._norms, np.zeros(added)])
        self._sums = np.concatenate([self._sums, np.zeros((added, len(self._shift)))])
        return rows

    def merge(self, other: "ClassMoments") -> None:
        """Add the batches of another accumulator."""
        if not other._rows:
            return
        if not self._rows:
            self._start(other._shift)
        d = other._shift - self._shift
        rows = self._find(list(other._rows))
        self._square += other._square + 2 * d * other._sums.sum(axis=0) + other._counts.sum() * d**2
        self._norms[rows] += other._norms + 2 * other._sums @ d + other._counts * (d @ d)
        self._counts[rows] += other._counts
        self._sums[rows] += other._sums + np.outer(other._counts, d)

    @property
    def means(self) -> Array:
        """Return the class means minus the mean of all samples, shape (K, M)."""
        n = max(self._counts.sum(), 1)
        return self._sums / np.maximum(self._counts, 1)[:, None] - self._sums.sum(axis=0) / n

    def between(self) -> Array:
        """Return A of shape (K, M) with S_B = A^T A: the centred class means, times sqrt(n_k / N)."""
        return self.means * np.sqrt(self._counts / max(self._counts.sum(), 1))[:, None]

    def unit_variances(self) -> tuple[Array, Array]:
        """Return the variance of each unit within and between classes, shape (M,), which sum to its variance."""
        n = max(self._counts.sum(), 1)
        within = self._square / n - (np.square(self._sums) / np.maximum(self._counts, 1)[:, None]).sum(axis=0) / n
        return np.maximum(within, 0), np.square(self.between()).sum(axis=0)

    def variances(self) -> tuple[float, float]:
        """Return the mean over units of the variances within and between classes, which sum to the mean variance."""
        if not self._rows:
            return 0.0, 0.0
        within, between = self.unit_variances()
        return float(within.mean()), float(between.mean())

    def spreads(self) -> Array:
        """Return the mean squared distance of the samples of each class from their mean, shape (K,)."""
        n = np.maximum(self._counts, 1)
        return np.maximum(self._norms / n - np.square(self._sums / n[:, None]).sum(axis=1), 0)

    def _noise(self) -> float:
        """Return the threshold up to which squared distances between means count as zero."""
        n = max(self._counts.sum(), 1)
        mean = self._shift + self._sums.sum(axis=0) / n
        return float(EQUAL * (mean @ mean + self._square.sum() / n))

    def cdnv(self) -> float:
        """Return the mean over pairs of different means of (v_i + v_j) / (2 ||mu_i - mu_j||^2)."""
        spread, means, noise = self.spreads(), self.means, self._noise()
        ratios = []
        for i in range(self.number - 1):
            distance = np.square(means[i + 1 :] - means[i]).sum(axis=1)
            apart = distance > noise
            ratios.append(((spread[i] + spread[i + 1 :]) / 2)[apart] / distance[apart])
        found = np.concatenate(ratios) if ratios else np.zeros(0)
        return float(found.mean()) if found.size else 0.0

    def norm_variation(self) -> float:
        """Return the coefficient of variation of the norms of the centred class means; 0 if all are zero."""
        norms = np.sqrt(np.square(self.means).sum(axis=1))
        return float(norms.std() / norms.mean()) if norms.size and norms.mean() ** 2 > self._noise() else 0.0

    def cosines(self) -> Array:
        """Return the cosines between pairs of centred class means, without means at the centre."""
        squared = np.square(self.means).sum(axis=1)
        kept = squared > self._noise()
        directions = self.means[kept] / np.sqrt(squared[kept])[:, None]
        return np.clip((directions @ directions.T)[np.triu_indices(len(directions), 1)], -1, 1)

    def angle_variation(self) -> float:
        """Return the standard deviation of the cosines."""
        cosines = self.cosines()
        return float(cosines.std()) if cosines.size else 0.0

    def angle_distance(self) -> float:
        """Return the mean of abs(cosine + 1 / (K - 1)), the distance to the angles of a simplex."""
        cosines = self.cosines()
        return float(np.abs(cosines + 1 / (self.number - 1)).mean()) if cosines.size else 0.0

    def nc1(self, along: Any) -> float:
        """Return trace(S_W S_B^+) / K, where S_W + S_B is the covariance of all samples; 0 if class means are equal.

        Args:
            along: A function that returns d^T C d for each row d of its argument.
        """
        directions, spread = _directions(self.between(), self._noise())
        # Along an eigenvector of S_B with eigenvalue `spread`, S_W is C minus that eigenvalue.
        return float(np.sum(np.maximum(along(directions) - spread, 0) / spread) / max(self.number, 1))

    def unweighted_nc1(self, alongs: list[Any]) -> float:
        """Return `nc1` with S_W the mean of the class covariances and S_B the covariance of the means, unweighted."""
        means = self.means - self.means.mean(axis=0) if self.number else self.means
        directions, spread = _directions(means / np.sqrt(max(self.number, 1)), self._noise())
        within = sum((along(directions) for along in alongs), np.zeros(len(spread))) / max(self.number, 1)
        return float(np.sum(within / spread) / max(self.number, 1))

    def lidar(self, covariance: Array) -> float:
        """Return exp of the entropy of the eigenvalues of S_W^(-1/2) S_B S_W^(-1/2); 0 if all class means are equal."""
        a = self.between()
        total = float(np.trace(covariance))
        if not np.square(a).sum() > self._noise():
            return 0.0
        # A S_W^-1 A^T has the same eigenvalues. Divided by the variance to stay within the range of float64.
        a = a / np.sqrt(total)
        within = covariance / total - a.T @ a
        ridge = LIDAR_RIDGE * max(np.trace(within), 0.0) / len(within)
        if ridge <= np.finfo(np.float64).eps:  # collapsed onto the means
            return effective_rank(eigenvalues(a @ a.T))
        solved = np.linalg.solve(within + ridge * np.eye(len(within)), a.T)
        product = a @ solved
        return effective_rank(eigenvalues((product + product.T) / 2))


def _directions(a: Array, noise: float) -> tuple[Array, Array]:
    """Return eigenvectors, one per row, and eigenvalues of A^T A above the null space and the noise."""
    _, singular, directions = np.linalg.svd(a, full_matrices=False)
    spread = np.square(singular)
    kept = spread > max(NULL_SPACE * spread.max(initial=0), noise)
    return directions[kept], spread[kept]
