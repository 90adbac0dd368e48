"""Sums of Gaussian kernels over all pairs of samples, without holding all pairs in memory.

Both bounds of Kolchinsky and Tracey are means over samples i of the logarithm of

    S_i = sum over j of exp(-||z_i - z_j||^2 / (c s^2)),    c = 8 (lower bound) or c = 2 (upper bound),

with sums over all samples j and over those of i's class. All four come from one pass over the upper triangle of the N x
N distances, with one matrix product and one exponential per pair, since c = 2 is the fourth power of c = 8. Each sum
contains the sample's own term, exp(0), which is the largest, so its logarithm needs no shift.

The distances are computed in strips of many columns, because BLAS synchronizes its threads after each product. Another
thread pool then processes a strip in square tiles that stay in the cache.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from keras_repreg.information.distances import Distances

Array = NDArray[np.float64]

# Samples per side of a tile, which fits in the second-level cache.
TILE = 512
# Tiles per strip.
STRIP = 8
# Even a million terms below exp(-60) are negligible relative to exp(0). A tile of such terms is skipped.
NEGLIGIBLE = -60.0
# exp(4 * -170) is still a normal number, which avoids slow subnormal numbers.
SMALLEST = -170.0


def log_kernel_sums(z: Array, classes: NDArray[np.intp], noise_variances: list[float]) -> Array:
    """Return the mean over samples of log S_i, in float64.

    Args:
        z: Activations, shape (N, M), finite.
        classes: Class of each sample, shape (N,).
        noise_variances: s^2, each above zero.

    Returns:
        An array of shape (len(noise_variances), 2, 2): c = 8 and c = 2; all samples and those of the sample's class.

    Raises:
        ValueError: if the squares of the activations, also divided by s^2, leave the range of float64.
    """
    order = np.argsort(classes, kind="stable")  # classes become blocks
    pairs = Distances(z[order], noise_variances, -8 * NEGLIGIBLE)
    buffer = np.empty(min(TILE, len(z)) * min(STRIP * TILE, len(z)))
    borders = np.flatnonzero(np.diff(classes[order], prepend=-1, append=-1))
    sums = np.zeros((len(noise_variances), 2, 2, len(z)))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, STRIP)) as threads:
        for rows, strip in _strips(len(z)):
            distances = pairs.negative(rows, strip, buffer)
            tiles = [
                (
                    columns,
                    threads.submit(
                        _sums,
                        distances[:, columns.start - strip.start : columns.stop - strip.start],
                        rows,
                        columns,
                        borders,
                        noise_variances,
                    ),
                )
                for columns in parts(strip.start, strip.stop)
            ]
            for columns, tile in tiles:
                of_rows, of_columns = tile.result()
                sums[..., rows] += of_rows
                if columns != rows:
                    sums[..., columns] += of_columns
    return np.asarray(np.log(np.maximum(sums, 1)).mean(axis=-1))


def _sums(
    distances: Array, rows: slice, columns: slice, borders: NDArray[np.intp], noise_variances: list[float]
) -> tuple[Array, Array]:
    """Return the sums over a tile for the samples of its rows and for those of its columns."""
    of_rows = np.zeros((len(noise_variances), 2, 2, distances.shape[0]))
    of_columns = np.zeros((len(noise_variances), 2, 2, distances.shape[1]))
    nearest = distances.max()
    blocks = shared_classes(borders, rows, columns)
    for k, noise_variance in enumerate(noise_variances):
        if nearest / (8 * noise_variance) < NEGLIGIBLE:
            continue
        kernel = distances * (1 / (8 * noise_variance))
        np.clip(kernel, SMALLEST, 0, out=kernel)
        np.exp(kernel, out=kernel)
        _add(kernel, blocks, of_rows[k, 0], of_columns[k, 0])
        np.multiply(kernel, kernel, out=kernel)
        np.multiply(kernel, kernel, out=kernel)
        _add(kernel, blocks, of_rows[k, 1], of_columns[k, 1])
    return of_rows, of_columns


def parts(start: int, stop: int, size: int = 0) -> list[slice]:
    """Return slices of length `size`, by default that of a tile; the last one may be shorter."""
    size = size or TILE
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]


def _strips(samples: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of the strips of the upper triangle; each row of strips starts at the diagonal."""
    for rows in parts(0, samples):
        for columns in parts(rows.start, samples, STRIP * TILE):
            yield rows, columns


def shared_classes(borders: NDArray[np.intp], rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """Return the blocks of a tile whose rows and columns share a class; `borders` are the starts of the classes."""
    first = int(np.searchsorted(borders, max(rows.start, columns.start), side="right")) - 1
    last = int(np.searchsorted(borders, min(rows.stop, columns.stop), side="left"))
    return [
        (
            slice(max(start - rows.start, 0), min(stop, rows.stop) - rows.start),
            slice(max(start - columns.start, 0), min(stop, columns.stop) - columns.start),
        )
        for start, stop in pairwise(borders[first : last + 1].tolist())
    ]


def _add(kernel: Array, blocks: list[tuple[slice, slice]], of_rows: Array, of_columns: Array) -> None:
    """Add a tile to the sums of its rows and columns, over all samples and over those of the same class."""
    of_rows[0] += kernel.sum(axis=1)
    of_columns[0] += kernel.sum(axis=0)
    for rows, columns in blocks:
        block = kernel[rows, columns]
        of_rows[1, rows] += block.sum(axis=1)
        of_columns[1, columns] += block.sum(axis=0)
