"""Values of and bounds on the mutual information of a representation with its input, I(z; x), and class, I(z; y)."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer, positive_number
from keras_repreg.information.distances import TOLERATED
from keras_repreg.information.kernels import log_kernel_sums
from keras_repreg.information.monte_carlo import Losses, mean_losses
from keras_repreg.information.result import SATURATION, MutualInformation
from keras_repreg.information.samples import as_classes, as_samples, nats_in
from keras_repreg.information.tally import Mean


def mutual_information(
    z: Any,
    labels: Any = None,
    noise_variance: float = 0.1,
    information_unit: str = "nats",
    *,
    samples: int | None = None,
    seed: int = 0,
) -> MutualInformation:
    """Return values, standard errors and bounds of I(z; x) and I(z; y) of Table 1, with Gaussian noise.

    Without noise, the information of a network about its input is trivial or infinite. Noise of variance s^2, added
    only for the measurement, makes it a matter of how far apart samples lie. x is the index of one of the N samples,
    drawn uniformly, and y is its class. z + noise is a mixture of N Gaussians, and

        I(z; x) = h(z + noise) - h(noise),        I(z; y) = h(z + noise) - sum_k p_k h(z + noise given class k),

    with p_k the fraction of samples in class k. The entropies are means over draws from the mixture: each sample has
    the same number of draws, noise is used with both signs, and quadratic control variates reduce the error. All
    variances of a `noise_sweep` use the same draws, scaled, which makes curves smooth.

    The bounds need no draws. They follow from `entropy_bounds`, h_c(z) with c = 8 (lower) and c = 2 (upper), and
    h_c(z given k) over the samples of class k:

    | | lower | upper |
    | --- | --- | --- |
    | I(z; x) | h_8(z) - h(noise) | h_2(z) - h(noise) |
    | I(z; y) | h_8(z) - sum_k p_k h_2(z given k) | h_2(z) - sum_k p_k h_8(z given k), at most H(y) |
    | I(z; y), conventional | h_8(z) - sum_k p_k h_8(z given k) | h_2(z) - sum_k p_k h_2(z given k) |

    The conventional differences are commonly shown, also in the paper, but they are estimates, not bounds. All
    computations are in float64 and in tiles, so memory grows with N, not with its square.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), where all axes but the first are units.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K). None for only I(z; x).
        noise_variance: s^2, above zero. No value is correct in general: the paper does not give one, and Saxe et al.
            use 0.1 for MNIST. See `noise_sweep` and `relative_noise_variance`.
        information_unit: "nats" or "bits".
        samples: Number of draws, rounded up to the same number for each sample of `z`, at least four. If None, draw
            until both standard errors are below 0.5% of I(z; x), and that of I(z; y) also below 0.5% of H(y), within
            limits: 10,000 samples have four draws each.
        seed: The seed of the draws, an integer >= 0.

    Returns:
        A `MutualInformation`, which prints s^2, N and the unit.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, its squares leave the range of
            float64, the labels do not match, the variance is not above zero, or another argument is invalid.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import mutual_information
        >>> z = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> result = mutual_information(z, labels=[0, 0, 1, 1], information_unit="bits", noise_variance=0.25)
        >>> print(f"{result.zx_lower:.3f} <= {result.zx:.3f} <= {result.zx_upper:.3f}, error {result.zx_error:.4f}")
        0.316 <= 0.486 <= 0.817, error 0.0005

    Reference:
        Goldfeld et al. (2019), "Estimating information flow in deep neural networks"; Kolchinsky and Tracey (2017),
        "Estimating mixture entropy with pairwise distances"; section 5 of Choi, Lee, Shin and Rhee (2018), "On the
        statistical and information-theoretic characteristics of deep network representations".
    """
    return noise_sweep(z, labels, [noise_variance], information_unit, samples=samples, seed=seed)[0]


def noise_sweep(
    z: Any,
    labels: Any,
    noise_variances: Iterable[float],
    information_unit: str = "nats",
    *,
    samples: int | None = None,
    seed: int = 0,
) -> list[MutualInformation]:
    """Return `mutual_information` at several noise variances, from one computation of the distances and the same draws.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), where all axes but the first are units.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K); None for only I(z; x).
        noise_variances: Values of s^2, each above zero.
        information_unit: "nats" or "bits".
        samples: Number of draws, as in `mutual_information`.
        seed: The seed of the draws, an integer >= 0.

    Returns:
        One `MutualInformation` per variance, in the same order.

    Raises:
        ValueError: as in `mutual_information`, or if there is no variance.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import noise_sweep
        >>> z = np.random.default_rng(0).normal(size=(100, 5))
        >>> for result in noise_sweep(z, np.arange(100) % 2, [0.01, 1.0, 100.0]):
        ...     print(f"{result.noise_variance:g}: {result.zx_lower:.2f} <= {result.zx:.2f} <= {result.zx_upper:.2f}")
        0.01: 4.60 <= 4.61 <= 4.61
        1: 1.05 <= 1.67 <= 2.79
        100: 0.01 <= 0.03 <= 0.05
    """
    scale = nats_in(information_unit)
    variances = [positive_number(value, "noise_variance") for value in _listed(noise_variances)]
    draws = None if samples is None else positive_integer(samples, "samples")
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"Expected `seed` to be an integer >= 0. Received: seed={seed!r}")
    points = as_samples(z)
    n, units = points.shape
    classes = np.zeros(n, dtype=np.intp) if labels is None else as_classes(labels, n)[1]
    sizes = np.bincount(classes)
    of_class_size = float(sizes @ np.log(sizes)) / n  # sum_k p_k log n_k
    label_entropy = max(math.log(n) - of_class_size, 0.0) if len(sizes) > 1 else 0.0
    bounds = log_kernel_sums(points, classes, variances)
    losses = mean_losses(points, classes, variances, draws, int(seed))
    results = []
    for variance, logs, loss in zip(variances, bounds, losses, strict=True):
        values: dict[str, float | None] = {**_of_samples(math.log(n), logs, loss)}
        of_labels = _of_labels(label_entropy, logs, loss)
        values |= of_labels if labels is not None else dict.fromkeys(of_labels)
        in_unit: dict[str, Any] = {name: None if value is None else scale * value for name, value in values.items()}
        counts = {"n_samples": n, "n_units": units, "n_draws": 2 * loss.pairs}
        results.append(MutualInformation(**in_unit, **counts, noise_variance=variance, unit=information_unit))
    return results


# `log_kernel_sums` returns the lower bound first. h(z) - h(noise) = log n - mean log S_i, for all samples and for those
# of a class.
def _of_samples(sample_entropy: float, logs: NDArray[np.float64], loss: Losses) -> dict[str, float]:
    (low, _), (up, _) = logs.tolist()
    upper = max(sample_entropy - up, 0.0)
    lower = min(max(sample_entropy - low, 0.0), upper)
    value = _value(sample_entropy, loss.zx, lower, upper, loss.pairs)
    return {"zx": value.value, "zx_error": value.error, "zx_lower": lower, "zx_upper": upper}


def _of_labels(label_entropy: float, logs: NDArray[np.float64], loss: Losses) -> dict[str, float]:
    (low_all, low_class), (up_all, up_class) = logs.tolist()
    upper = min(max(label_entropy - (up_all - low_class), 0.0), label_entropy)
    lower = min(max(label_entropy - (low_all - up_class), 0.0), upper)
    value = _value(label_entropy, loss.zy, lower, upper, loss.pairs)
    return {
        "zy": value.value,
        "zy_error": value.error,
        "zy_lower": lower,
        "zy_upper": upper,
        "zy_lower_conventional": label_entropy - (low_all - low_class),
        "zy_upper_conventional": label_entropy - (up_all - up_class),
        "label_entropy": label_entropy,
    }


def _value(limit: float, loss: Mean, lower: float, upper: float, pairs: int) -> Mean:
    """Return the limit, log N or H(y), minus the loss, and its standard error."""
    value, error = limit - loss.value, loss.error
    if value >= (1 - SATURATION) * limit:
        # Losses are rare here, about a nat each: this many pairs of draws may have missed two of them.
        error = math.hypot(error, min(upper - lower, 2 / pairs))
    within = min(max(value, lower), upper)
    return Mean(within if abs(value - within) <= TOLERATED else value, error)


def _listed(noise_variances: Any) -> list[Any]:
    scalar = getattr(noise_variances, "ndim", 1) == 0
    variances = list(noise_variances) if isinstance(noise_variances, Iterable) and not scalar else []
    if not variances or isinstance(noise_variances, (str, bytes)):
        raise ValueError(
            f"Expected `noise_variances` to be a list of at least one number. Received: {noise_variances!r}"
        )
    return variances
