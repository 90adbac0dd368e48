"""Bounds on the entropy of a representation with Gaussian noise."""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_repreg.arguments import positive_number
from keras_repreg.information.kernels import log_kernel_sums
from keras_repreg.information.samples import as_samples


class EntropyBounds(NamedTuple):
    """Bounds on a differential entropy, in nats."""

    lower: float
    upper: float


def entropy_bounds(z: Any, noise_variance: float) -> EntropyBounds:
    """Return bounds on the entropy of a representation with Gaussian noise, h(z + e), e ~ N(0, s^2 I), in nats.

    z + e is a mixture of N Gaussians centred on the activations. With squared distances d_ij between activations, its
    entropy lies between the two values

        M/2 (1 + log(2 pi s^2)) - 1/N sum_i log(1/N sum_j exp(-d_ij / (c s^2)))

    with c = 8 (Chernoff's divergence with alpha = 1/2, the tightest here: Bhattacharyya's distance) and with c = 2 (the
    Kullback-Leibler divergence). The first term is the entropy of the noise. Both bounds are exact if all activations
    coincide or lie far apart. They are computed in float64 and in tiles, so memory grows with N, not with its square.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), where all axes but the first are units.
        noise_variance: s^2, above zero.

    Returns:
        `(lower, upper)`.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, or the variance is not above zero.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import entropy_bounds
        >>> lower, upper = entropy_bounds(np.array([[0.0], [100.0]]), noise_variance=1.0)
        >>> round(lower, 3), round(upper, 3)  # the entropy of the noise, 1.419, plus log 2
        (2.112, 2.112)

    Reference:
        Kolchinsky and Tracey (2017), "Estimating mixture entropy with pairwise distances". Used in section 5 of
        Choi, Lee, Shin and Rhee (2018).
    """
    samples = as_samples(z)
    n, units = samples.shape
    variance = positive_number(noise_variance, "noise_variance")
    of_noise = units / 2 * (1 + math.log(2 * math.pi * variance))
    logs = log_kernel_sums(samples, np.zeros(n, dtype=np.intp), [variance])[0, :, 0]
    lower, upper = (of_noise + math.log(n) - float(value) for value in logs)
    return EntropyBounds(min(lower, upper), upper)
