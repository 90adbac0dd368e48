"""Compute squared distances between samples, and projections of noise on their differences, in tiles."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The maximum error of an exponent due to rounding in the distances.
TOLERATED = 1e-8
# The number of values per array when differences are formed pair by pair.
CHUNK = 2**18


class Distances:
    """Squared distances between samples, in tiles that the caller chooses.

    They are computed by a matrix product, which loses precision for close samples far from the centre. If the precision
    is too low for the noise, the samples are subtracted instead.

    Args:
        z: Activations, shape (N, M), finite.
        noise_variances: s^2, each above zero.
        reach: The squared distance, in units of s^2, beyond which pairs of samples are negligible.

    Raises:
        ValueError: if the squares of the activations, also divided by s^2, leave the range of float64.
    """

    def __init__(self, z: Array, noise_variances: Sequence[float], reach: float):
        with np.errstate(over="ignore", invalid="ignore"):
            self._z = z - z.mean(axis=0)  # a common offset costs precision
            squares = np.einsum("ij,ij->i", self._z, self._z)
        largest, least = float(squares.max()), min(noise_variances)
        if not largest < 1e300 * min(least, 1):
            raise ValueError(
                "Expected activations whose squares, also divided by the noise variance, fit in float64. Received: "
                f"squared norms up to {largest:.3g}, noise_variance={least}"
            )
        # -||a - b||^2 = (2a, -||a||^2, -1) . (b, 1, ||b||^2) is a single product.
        ones = np.ones((len(z), 1))
        self._left = np.concatenate([2 * self._z, -squares[:, None], -ones], axis=1)
        self._right = np.concatenate([self._z, ones, squares[:, None]], axis=1)
        self._error = 8 * np.finfo(np.float64).eps * largest
        # This error is negligible relative to large noise.
        self._reach = reach * max((s2 for s2 in noise_variances if self._error > 2 * TOLERATED * s2), default=0.0)

    def negative(self, rows: slice, columns: slice, out: Array) -> Array:
        """Return -||z_i - z_j||^2 in a part of the buffer `out`."""
        distances = _part(out, (rows.stop - rows.start, columns.stop - columns.start))
        np.matmul(self._left[rows], self._right[columns].T, out=distances)
        same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        distances[same - rows.start, same - columns.start] = 0
        if self._reach:
            for i, j, difference in self._near(distances, rows, columns, self._z.shape[1]):
                distances[i, j] = -np.einsum("ij,ij->i", difference, difference)
        return distances

    def along(self, noise: Array, distances: Array, rows: slice, columns: slice, out: Array) -> Array:
        """Return (z_i - z_j) . noise_ri in a part of the buffer `out`, shape (draws, rows, columns).

        `noise` has shape (draws, rows, M), and `distances` is the result of `negative`.
        """
        draws, samples, units = noise.shape
        along = _part(out, (draws, samples, columns.stop - columns.start))
        flat = noise.reshape(-1, units)
        np.matmul(flat, -self._z[columns].T, out=along.reshape(len(flat), -1))
        along += np.einsum("rij,ij->ri", noise, self._z[rows])[..., None]
        if self._reach:
            for i, j, difference in self._near(distances, rows, columns, draws * units):
                along[:, i, j] = np.einsum("rij,ij->ri", noise[:, i], difference)
        same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        along[:, same - rows.start, same - columns.start] = 0
        return along

    def _near(
        self, distances: Array, rows: slice, columns: slice, values: int
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Array]]:
        """Yield pairs within reach and their differences in chunks, where each pair takes `values` numbers."""
        near = np.argwhere(distances > -(self._reach + self._error))
        step = max(CHUNK // values, 1)
        for start in range(0, len(near), step):
            i, j = near[start : start + step].T
            yield i, j, self._z[rows][i] - self._z[columns][j]


def _part(buffer: Array, shape: tuple[int, ...]) -> Array:
    """Return the start of a buffer, reshaped to this shape."""
    return buffer[: int(np.prod(shape))].reshape(shape)
