"""Draws from a mixture of Gaussians, and their log-likelihoods relative to the noise.

A draw consists of a sample i and noise u ~ N(0, I). With d_ij = (z_i - z_j) / s, the mean of

    L_i(u) = log sum over j of exp(-||d_ij||^2 / 2 - d_ij . u)

is exactly log N - I(z; x). The difference from the same sum over the samples of i's class has the mean H(y) - I(z; y).
Two techniques reduce the error:

- Antithetic draws: u and -u are drawn together, so terms that are odd in u cancel. L is convex in u, so the mean over a
  pair is never below L_i(0), and I(z; x) is not above its upper bound, which consists of these values.
- Control variates: if z were normal with covariance C, that mean would be a constant minus half of the sum over m of
  w_m (u_m^2 - 1), where u_m are coordinates along the eigenvectors of C, c_m the eigenvalues, and
  w_m = c_m / (c_m + s^2). These sums have mean zero for any z. One uses the covariance of all samples, the other the
  covariance within classes.
"""

from concurrent.futures import Executor
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from keras_repreg.information.distances import Distances
from keras_repreg.information.kernels import parts, shared_classes

Array = NDArray[np.float64]

# Pairs of draws, and samples, per side of a tile, which fits in the second-level cache.
ROWS, COLUMNS = 256, 512
# Tiles per strip, which is one matrix product: BLAS would synchronize its threads for every tile.
STRIP = 8
# Noise raises an exponent of -240 to at most -80, which is negligible relative to 0.
REACH = 480.0
# Bounds of exponents that avoid infinities and slow subnormal numbers.
ALONG, SMALLEST = 300.0, -700.0
# With more units, eigenvectors cost more than they save.
CONTROLLED = 1024


class Draws:
    """Generates draws for a representation and several noise variances.

    Args:
        z: Activations, shape (N, M), finite.
        classes: Class of each sample, shape (N,).
        noise_variances: s^2, each above zero.
        threads: The thread pool.

    Raises:
        ValueError: if the squares of the activations, also divided by s^2, leave the range of float64.
    """

    def __init__(self, z: Array, classes: NDArray[np.intp], noise_variances: list[float], threads: Executor):
        order = np.argsort(classes, kind="stable")  # classes become blocks
        z, classes = z[order], classes[order]
        if z.shape[1] > len(z):  # noise outside of the span of the samples has no effect
            z = np.asarray(np.linalg.qr((z - z.mean(axis=0)).T, mode="r")).T
        self._distances = Distances(z, noise_variances, REACH)
        self._samples, self._units = z.shape
        self._threads = threads
        width = min(STRIP * COLUMNS, self._samples)
        self._buffers = np.empty(min(ROWS, self._samples) * width), np.empty(max(ROWS * COLUMNS, ROWS * width))
        self._variances = np.array(noise_variances)
        self._borders = np.flatnonzero(np.diff(classes, prepend=-1, append=-1))
        sizes = np.diff(self._borders)
        means = np.add.reduceat(z, self._borders[:-1], axis=0) / sizes[:, None]
        self._controls = [
            _directions(z - z.mean(axis=0), self._variances),
            _directions(z - np.repeat(means, sizes, axis=0), self._variances),
        ]

    def draw(self, rng: np.random.Generator, rows: slice, rounds: int, active: list[int]) -> list[Array]:
        """Draw pairs for some samples, in the order of the classes.

        Returns:
            One array of shape (rounds, rows, 4) for each of the `active` variance indices: the mean over the pair of L,
            the mean of its difference from L of the class, and the two control variates.
        """
        noise = rng.standard_normal((rounds, rows.stop - rows.start, self._units))
        logs = np.log(self._sums(noise, rows, self._variances[active])).mean(axis=1)
        controls = [((noise @ directions) ** 2 - 1) @ weights for directions, weights in self._controls]
        return [
            np.stack([of_all, of_all - of_class, *(control[..., k] for control in controls)], axis=-1)
            for k, (of_all, of_class) in zip(active, logs, strict=True)
        ]

    def _sums(self, noise: Array, rows: slice, variances: Array) -> Array:
        """Return sums of exponentials, shape (variances, u and -u, all samples and the class, rounds, rows)."""
        rounds, samples = noise.shape[:2]
        sums = np.zeros((len(variances), 2, 2, rounds, samples))
        for strip in parts(0, self._samples, STRIP * COLUMNS):
            distances = self._distances.negative(rows, strip, self._buffers[0])
            if distances.max() < -REACH * variances.max():
                continue
            along = self._distances.along(noise, distances, rows, strip, self._buffers[1])
            tiles = parts(strip.start, strip.stop, COLUMNS)
            places = [slice(tile.start - strip.start, tile.stop - strip.start) for tile in tiles]
            for of_tile in self._threads.map(
                _tile_sums,
                [distances[:, place] for place in places],
                [along[..., place] for place in places],
                [shared_classes(self._borders, rows, tile) for tile in tiles],
                repeat(variances),
            ):
                sums += of_tile
        return sums


def _tile_sums(distances: Array, along: Array, blocks: list[tuple[slice, slice]], variances: Array) -> Array:
    sums = np.zeros((len(variances), 2, 2, *along.shape[:2]))
    nearest = distances.max()
    for k, variance in enumerate(variances):
        if nearest < -REACH * variance:
            continue
        kernel = np.exp(np.maximum(distances / (2 * variance), SMALLEST))
        tilt = along / np.sqrt(variance)
        np.clip(tilt, -ALONG, ALONG, out=tilt)
        np.exp(tilt, out=tilt)
        _add(kernel / tilt, blocks, sums[k, 0])
        np.multiply(kernel, tilt, out=tilt)
        _add(tilt, blocks, sums[k, 1])
    return sums


def _directions(deviations: Array, noise_variances: Array) -> tuple[Array, Array]:
    """Return the eigenvectors of a covariance, and -w_m / 2 per eigenvector and variance; empty for too many units."""
    samples, units = deviations.shape
    if units > CONTROLLED:
        return np.zeros((units, 1)), np.zeros((1, len(noise_variances)))
    values, vectors = np.linalg.eigh(deviations.T @ deviations / samples)
    values = np.maximum(values, 0)[:, None]
    return vectors, -values / (values + noise_variances) / 2


def _add(kernel: Array, blocks: list[tuple[slice, slice]], sums: Array) -> None:
    """Add a tile of shape (rounds, rows, columns) to the sums over all samples and over those of the same class."""
    sums[0] += kernel.sum(axis=-1)
    for rows, columns in blocks:
        sums[1][:, rows] += kernel[:, rows, columns].sum(axis=-1)
