"""Sums over samples of two representations, from which all similarity measures are computed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Array
from keras_repreg.similarity.samples import as_samples


class _Sums:
    """Sums of x, y, x y^T, |x|^2, |y|^2, x |y|^2, y |x|^2 and |x|^2 |y|^2, with x and y shifted by a mean."""

    def __init__(self) -> None:
        self.count = 0
        self._start(np.zeros(0), np.zeros(0))

    def update(self, x: Array, y: Array) -> None:
        if not self.count:
            self._start(x.mean(axis=0), y.mean(axis=0))
        x, y = x - self.shifts[0], y - self.shifts[1]
        p, q = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
        self._add(
            len(x), x.sum(axis=0), y.sum(axis=0), x.T @ y, float(p.sum()), float(q.sum()), q @ x, p @ y, float(p @ q)
        )

    def _start(self, x: Array, y: Array) -> None:
        self.shifts = (x, y)
        self.x, self.y, self.xy = np.zeros(len(x)), np.zeros(len(y)), np.zeros((len(x), len(y)))
        self.xx = self.yy = self.xxyy = 0.0
        self.xyy, self.yxx = np.zeros(len(x)), np.zeros(len(y))

    def _add(
        self, count: int, x: Array, y: Array, xy: Array, xx: float, yy: float, xyy: Array, yxx: Array, xxyy: float
    ) -> None:
        self.count += count
        self.x, self.y, self.xy = self.x + x, self.y + y, self.xy + xy
        self.xx, self.yy, self.xxyy = self.xx + xx, self.yy + yy, self.xxyy + xxyy
        self.xyy, self.yxx = self.xyy + xyy, self.yxx + yxx

    def merge(self, other: "_Sums") -> None:
        if not other.count:
            return
        if not self.count:
            self._start(*other.shifts)
        d, e = other.shifts[0] - self.shifts[0], other.shifts[1] - self.shifts[1]
        n, (dd, ee, dx, ey) = other.count, map(float, (d @ d, e @ e, d @ other.x, e @ other.y))
        self._add(
            n,
            other.x + n * d,
            other.y + n * e,
            other.xy + np.outer(other.x, e) + np.outer(d, other.y) + n * np.outer(d, e),
            other.xx + 2 * dx + n * dd,
            other.yy + 2 * ey + n * ee,
            other.xyy + 2 * other.xy @ e + ee * other.x + (other.yy + 2 * ey + n * ee) * d,
            other.yxx + 2 * d @ other.xy + dd * other.y + (other.xx + 2 * dx + n * dd) * e,
            other.xxyy
            + 2 * float(e @ other.yxx + d @ other.xyy)
            + ee * other.xx
            + dd * other.yy
            + 4 * float(d @ other.xy @ e)
            + 2 * (ee * dx + dd * ey)
            + n * dd * ee,
        )

    def covariance(self) -> Array:
        """Return C_xy."""
        n = max(self.count, 1)
        return self.xy / n - np.outer(self.x / n, self.y / n)

    def hsic(self) -> float:
        """Return HSIC_1 of Song et al. (2012) with linear kernels, from sums over at least four samples."""
        n = self.count
        if n < 4:
            return 0.0
        first = float(np.square(self.xy).sum()) - self.xxyy
        second = (self.x @ self.x - self.xx) * (self.y @ self.y - self.yy)
        third = self.x @ self.xy @ self.y - self.x @ self.xyy - self.y @ self.yxx + self.xxyy
        return float((first + second / ((n - 1) * (n - 2)) - 2 * third / (n - 2)) / (n * (n - 3)))


class CrossMoments:
    """Accumulates batches of two representations of the same samples, for `cka`, `cca` and `procrustes`.

    The representations can be two layers, or one layer in two networks. Memory grows with the product of their widths
    and not with the number of samples.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.similarity import CrossMoments
        >>> z = np.random.default_rng(0).normal(size=(100, 5))
        >>> moments = CrossMoments()
        >>> for batch in np.split(z, 4):
        ...     moments.update(batch, 3 * batch[:, ::-1])
        >>> round(moments.cka(), 6), round(moments.cca(), 6)
        (1.0, 1.0)
    """

    def __init__(self) -> None:
        self._ab, self._aa, self._bb = _Sums(), _Sums(), _Sums()

    @property
    def samples(self) -> int:
        """Return the number of samples so far."""
        return self._ab.count

    def update(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Add a batch of samples, where row n of `a` and `b` is the same sample.

        Raises:
            ValueError: if they are not finite real numbers, their numbers of samples differ, or their widths differ
                from earlier batches.
        """
        a, b = as_samples(a, b)
        widths = tuple(map(len, self._ab.shifts))
        if self.samples and widths != (a.shape[1], b.shape[1]):
            raise ValueError(f"Expected batches of {widths} units. Received: {(a.shape[1], b.shape[1])}")
        if len(a):
            self._ab.update(a, b)
            self._aa.update(a, a)
            self._bb.update(b, b)

    def merge(self, other: "CrossMoments") -> None:
        """Add the samples of another accumulator, such as that of another worker."""
        if self.samples and other.samples and self._ab.xy.shape != other._ab.xy.shape:
            raise ValueError(
                f"Expected an accumulator of {self._ab.xy.shape} units. Received: {other._ab.xy.shape} units"
            )
        self._ab.merge(other._ab)
        self._aa.merge(other._aa)
        self._bb.merge(other._bb)

    def cka(self, debiased: bool = True) -> float:
        """Return the linear centred kernel alignment: see `keras_repreg.similarity.cka`."""
        if debiased:
            return ratio(self._ab.hsic(), self._aa.hsic(), self._bb.hsic())
        found = (float(np.square(sums.covariance()).sum()) for sums in (self._ab, self._aa, self._bb))
        return ratio(*found)

    def cca(self) -> float:
        """Return the mean canonical correlation: see `keras_repreg.similarity.cca`.

        Directions with less than 1e-12 of the largest variance are ignored, because sums are not more precise.
        """
        if not self.samples:
            return 0.0
        a, b = _whitener(self._aa.covariance()), _whitener(self._bb.covariance())
        rank = min(a.shape[1], b.shape[1])
        if not rank:
            return 0.0
        correlations = np.linalg.svd(a.T @ self._ab.covariance() @ b, compute_uv=False)
        return float(np.minimum(correlations, 1).sum() / rank)

    def procrustes(self) -> float:
        """Return the angular Procrustes distance: see `keras_repreg.similarity.procrustes`."""
        if not self.samples:
            return np.pi / 2
        nuclear = float(np.linalg.svd(self._ab.covariance(), compute_uv=False).sum())
        norms = np.sqrt(np.trace(self._aa.covariance())) * np.sqrt(np.trace(self._bb.covariance()))
        return float(np.arccos(min(nuclear / norms, 1.0))) if norms > 0 else np.pi / 2


def ratio(cross: float, a: float, b: float) -> float:
    """Return cross / sqrt(a b), or 0 if a or b is not positive, since constant activations have no similarity."""
    if np.isnan(cross + a + b):
        return float("nan")
    return float(cross / (np.sqrt(a) * np.sqrt(b))) if a > 0 and b > 0 else 0.0


def _whitener(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-12 * values.max(initial=0)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
