"""A histogram of any values in one pass, without knowing their range in advance."""

import numpy as np
from numpy.typing import NDArray

# Magnitudes from 1e-6 to 1e6 in five steps per decade; larger values go into the last bin.
_MAGNITUDES = 1e-6 * 1.2 ** np.arange(153)
EDGES: NDArray[np.float64] = np.concatenate([[-np.inf], -_MAGNITUDES[::-1], _MAGNITUDES, [np.inf]])


class Histogram:
    """Counts of values in bins that grow with the magnitude; the middle bin, from -1e-6 to 1e-6, holds the zeros."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(EDGES) - 1, dtype=np.int64)
        self._least, self._largest = np.inf, -np.inf

    def update(self, values: NDArray[np.floating]) -> None:
        """Add values of any shape, ignoring those that are not finite."""
        values = values[np.isfinite(values)]
        if values.size:
            self._counts += np.histogram(values, EDGES)[0]
            self._least = min(self._least, float(values.min()))
            self._largest = max(self._largest, float(values.max()))

    def rows(self) -> NDArray[np.float64]:
        """Return [left edge, right edge, count] of each bin from the smallest to the largest value, shape (bins, 3)."""
        used = np.flatnonzero(self._counts)
        if not used.size:
            return np.zeros((0, 3))
        bins = slice(used[0], used[-1] + 1)
        edges = np.clip(EDGES[used[0] : used[-1] + 2], self._least, self._largest)
        return np.stack([edges[:-1], edges[1:], self._counts[bins]], axis=1)
