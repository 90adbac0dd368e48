"""The Epps-Pulley statistic: how far samples are from the standard normal distribution, along given directions.

The distance is that of the two characteristic functions, the samples' own and exp(-t^2 / 2), with a Gaussian weight:

    D = integral of |mean over n of exp(i t x_n) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt

by the trapezoidal rule on 17 knots from 0 to 3, doubled, since the integrand is even: the knots and the range of the
authors' published code (their paper has 17 knots from -5 to 5).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import batch_statistics

Tensor = Any

_STEP = 3 / 16
# Without t = 0, where every characteristic function is 1.
KNOTS = _STEP * np.arange(1, 17)
NORMAL = np.exp(-(KNOTS**2) / 2)
WEIGHTS = 2 * _STEP * NORMAL
WEIGHTS[-1] /= 2

# Samples that differ by less than this part of their largest magnitude are taken for constant: float32 does not tell
# such differences from rounding, and they would be scaled to a variance of 1.
CONSTANT = 1e-5


def varies(spread: Tensor, magnitude: Tensor) -> Tensor:
    """Whether samples differ, from the largest magnitude of their differences from the mean, and of themselves."""
    return spread > ops.maximum(CONSTANT * magnitude, batch_statistics.TINY)


def random_directions(units: int, slices: int, dtype: str, seed: keras.random.SeedGenerator | int) -> Tensor:
    """Unit vectors, uniform on the sphere, as the columns of an array of shape (units, slices).

    Those of an integer are the same on every backend, compiled or not.
    """
    if isinstance(seed, int):
        normal = ops.cast(np.random.default_rng(seed).normal(size=(units, slices)), dtype)
    else:
        normal = keras.random.normal((units, slices), dtype=dtype, seed=seed)
    return normal / ops.sqrt(ops.sum(ops.square(normal), axis=0))


def waves(projections: Tensor) -> tuple[Tensor, Tensor]:
    """cos(t x) and sin(t x) at all knots: (N, slices) to two arrays of shape (N, slices * knots)."""
    angles = projections[:, :, None] * ops.cast(KNOTS, projections.dtype)
    angles = ops.reshape(angles, (-1, projections.shape[1] * len(KNOTS)))
    return ops.cos(angles), ops.sin(angles)


def distances(cosines: Tensor, sines: Tensor) -> Tensor:
    """D of each row of mean waves, averaged over the directions: two arrays (K, slices * knots) to (K,)."""
    slices = cosines.shape[1] // len(KNOTS)
    normal, weights = (ops.cast(np.tile(values, slices), cosines.dtype) for values in (NORMAL, WEIGHTS / slices))
    return ops.sum(weights * (ops.square(cosines - normal) + ops.square(sines)), axis=1)


def epps_pulley(z: Tensor, directions: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """N D of the projections of z on the columns of `directions`, averaged over them; 0 for no samples."""
    share = batch_statistics.normalized_weights(z, sample_weight)
    means = (ops.sum(share * wave, axis=0, keepdims=True) for wave in waves(ops.matmul(z, directions)))
    number = ops.cast(ops.shape(z)[0], z.dtype) if sample_weight is None else ops.sum(sample_weight)
    return number * distances(*means)[0]


def standardized_epps_pulley(z: Tensor, directions: Tensor, sample_weight: Tensor) -> Tensor:
    """`epps_pulley` of z minus its mean, over the root of its mean variance; 0 where z is constant.

    One factor scales all units, so that their variances have to be equal and not only their correlations zero.
    """
    z = batch_statistics.zero_masked_rows(z, sample_weight)
    centered = batch_statistics.zero_masked_rows(batch_statistics.center(z, sample_weight), sample_weight)
    magnitude, spread = (ops.max(ops.abs(ops.stop_gradient(x)), initial=0) for x in (z, centered))
    differ = varies(spread, magnitude)
    rows = centered / ops.where(differ, spread, ops.ones_like(spread))
    variance = ops.mean(batch_statistics.mean(ops.square(rows), sample_weight))
    rows = rows / ops.sqrt(ops.where(differ, variance, ops.ones_like(variance)))
    value = epps_pulley(rows, directions, sample_weight)
    return ops.where(differ, value, ops.zeros_like(value))
