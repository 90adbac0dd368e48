"""The Epps-Pulley statistic: the distance of samples from the standard normal distribution along given directions.

It is the distance between the empirical characteristic function of the samples and exp(-t^2 / 2), with a Gaussian
weight:

    D = integral of |mean over n of exp(i t x_n) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt

The integral is computed by the trapezoidal rule on 17 knots from 0 to 3, doubled, since the integrand is even. These
are the knots and the range of the authors' published code (their paper has 17 knots from -5 to 5).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import batch_statistics

Tensor = Any

_STEP = 3 / 16
# t = 0 is omitted, because every characteristic function is 1 there.
KNOTS = _STEP * np.arange(1, 17)
NORMAL = np.exp(-(KNOTS**2) / 2)
WEIGHTS = 2 * _STEP * NORMAL
WEIGHTS[-1] /= 2

# Samples with relative differences below this count as constant: in float32 such differences are rounding errors, which
# would be scaled to a variance of 1.
CONSTANT = 1e-5


def varies(spread: Tensor, magnitude: Tensor) -> Tensor:
    """Return whether samples differ, given the largest magnitude of their deviations and of the samples."""
    return spread > ops.maximum(CONSTANT * magnitude, batch_statistics.TINY)


def random_directions(units: int, slices: int, dtype: str, seed: keras.random.SeedGenerator | int) -> Tensor:
    """Draw unit vectors, uniform on the sphere, as the columns of an array of shape (units, slices).

    With an integer seed they are the same on every backend, compiled or not.
    """
    if isinstance(seed, int):
        normal = ops.cast(np.random.default_rng(seed).normal(size=(units, slices)), dtype)
    else:
        normal = keras.random.normal((units, slices), dtype=dtype, seed=seed)
    return normal / ops.sqrt(ops.sum(ops.square(normal), axis=0))


def waves(projections: Tensor) -> tuple[Tensor, Tensor]:
    """Return cos(t x) and sin(t x) at all knots: from (N, slices) to two arrays of shape (N, slices * knots)."""
    angles = projections[:, :, None] * ops.cast(KNOTS, projections.dtype)
    angles = ops.reshape(angles, (-1, projections.shape[1] * len(KNOTS)))
    return ops.cos(angles), ops.sin(angles)


def distances(cosines: Tensor, sines: Tensor) -> Tensor:
    """Return D for each row of mean waves, averaged over the directions: two arrays (K, slices * knots) to (K,)."""
    slices = cosines.shape[1] // len(KNOTS)
    normal, weights = (ops.cast(np.tile(values, slices), cosines.dtype) for values in (NORMAL, WEIGHTS / slices))
    return ops.sum(weights * (ops.square(cosines - normal) + ops.square(sines)), axis=1)


def epps_pulley(z: Tensor, directions: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return N D of the projections of z on the columns of `directions`, averaged over them; 0 without samples."""
    share = batch_statistics.normalized_weights(z, sample_weight)
    means = (ops.sum(share * wave, axis=0, keepdims=True) for wave in waves(ops.matmul(z, directions)))
    number = ops.cast(ops.shape(z)[0], z.dtype) if sample_weight is None else ops.sum(sample_weight)
    return number * distances(*means)[0]


def standardized_epps_pulley(z: Tensor, directions: Tensor, sample_weight: Tensor) -> Tensor:
    """Return `epps_pulley` of z minus its mean, divided by the root of its mean variance; 0 if z is constant.

    One factor scales all units, so that the statistic is small only if their variances are equal and their correlations
    zero.
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
