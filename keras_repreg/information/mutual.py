"""Bounds of the mutual information of a representation with its input, I(z; x), and with the class, I(z; y)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_repreg.arguments import positive_number
from keras_repreg.information.kernels import log_kernel_sums
from keras_repreg.information.samples import as_classes, as_samples, nats_in

# An upper bound of I(z; x) within this share of log N is saturated.
SATURATION = 0.01


@dataclass(frozen=True)
class MutualInformation:
    """What `mutual_information` found, in `unit`.

    Attributes:
        zx_lower: Lower bound of I(z; x).
        zx_upper: Upper bound of I(z; x), never above log N.
        zy_lower: Lower bound of I(z; y), never below 0.
        zy_upper: Upper bound of I(z; y), never above H(y).
        zy_lower_conventional: The difference of the lower bounds of h(z) and h(z|y), commonly shown; NOT a bound.
        zy_upper_conventional: The difference of the upper bounds of h(z) and h(z|y), commonly shown; NOT a bound.
        label_entropy: H(y) of these samples.
        n_samples: N.
        n_units: M.
        noise_variance: s^2.
        unit: "nats" or "bits".
    """

    zx_lower: float
    zx_upper: float
    zy_lower: float
    zy_upper: float
    zy_lower_conventional: float
    zy_upper_conventional: float
    label_entropy: float
    n_samples: int
    n_units: int
    noise_variance: float
    unit: str

    @property
    def sample_entropy(self) -> float:
        """log N: no estimate of I(z; x) from N samples can exceed it."""
        return math.log(self.n_samples) * nats_in(self.unit)

    @property
    def zx_saturated(self) -> bool:
        """Whether the upper bound of I(z; x) is within 1% of log N.

        Nearly all samples then lie apart at this noise, and the bound says how many samples there are, not how much
        the representation tells: take more samples or more noise.
        """
        return self.n_samples > 1 and self.zx_upper >= (1 - SATURATION) * self.sample_entropy

    def __str__(self) -> str:
        saturated = f", saturated: log N = {self.sample_entropy:.4g}" if self.zx_saturated else ""
        return (
            f"I(z;x) in [{self.zx_lower:.4g}, {self.zx_upper:.4g}]{saturated}; "
            f"I(z;y) in [{self.zy_lower:.4g}, {self.zy_upper:.4g}] of H(y) = {self.label_entropy:.4g}; "
            f"{self.unit}, s^2 = {self.noise_variance:g}, N = {self.n_samples}"
        )


def mutual_information(z: Any, labels: Any, noise_variance: float = 0.1, unit: str = "nats") -> MutualInformation:
    """Bounds of I(z; x) and I(z; y) of Table 1, for a representation with Gaussian noise of variance s^2.

    A network without noise tells everything or infinitely much about its input; noise, added for the measurement
    only, makes the question one of how far apart samples lie. x is a sample, each of the N as likely, and y its
    class. With the bounds of `entropy_bounds`, h_c(z) with c = 8 (lower) and c = 2 (upper), h_c(z|k) over the
    samples of class k, and p_k its share:

    | | lower | upper |
    | --- | --- | --- |
    | I(z; x) | h_8(z) - h(noise) | h_2(z) - h(noise) |
    | I(z; y) | h_8(z) - sum_k p_k h_2(z given k) | h_2(z) - sum_k p_k h_8(z given k), at most H(y) |
    | I(z; y), conventional | h_8(z) - sum_k p_k h_8(z given k) | h_2(z) - sum_k p_k h_2(z given k) |

    The conventional differences are what is mostly shown, in the authors' way; they are estimates, not bounds.
    Computed in float64, one pass over tiles of the distances: memory grows with N, not with its square.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), of which all axes but the first count as units.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        noise_variance: s^2, above zero. There is no right one: the paper names none, and 0.1 is that of Saxe et
            al. for MNIST. See `noise_sweep`.
        unit: "nats" or "bits".

    Returns:
        A `MutualInformation`; printed, it says s^2, N and the unit.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, the labels do not fit, the
            variance is not above zero, or there is no such unit.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import mutual_information
        >>> z = np.array([[0.0], [0.0], [9.0], [9.0]])
        >>> print(mutual_information(z, labels=[0, 0, 1, 1], unit="bits"))
        I(z;x) in [1, 1]; I(z;y) in [1, 1] of H(y) = 1; bits, s^2 = 0.1, N = 4

    Reference:
        Kolchinsky and Tracey (2017), "Estimating mixture entropy with pairwise distances"; section 5 of Choi, Lee,
        Shin and Rhee (2018), "On the statistical and information-theoretic characteristics of deep network
        representations".
    """
    return noise_sweep(z, labels, [noise_variance], unit)[0]


def noise_sweep(z: Any, labels: Any, noise_variances: Iterable[float], unit: str = "nats") -> list[MutualInformation]:
    """`mutual_information` at several noise variances, from one computation of the distances.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), of which all axes but the first count as units.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        noise_variances: Values of s^2, each above zero.
        unit: "nats" or "bits".

    Returns:
        A `MutualInformation` per variance, in their order.

    Raises:
        ValueError: as `mutual_information`, or if there is no variance.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import noise_sweep
        >>> z = np.random.default_rng(0).normal(size=(100, 5))
        >>> for result in noise_sweep(z, np.arange(100) % 2, [0.01, 1.0, 100.0]):
        ...     print(result.noise_variance, round(result.zx_lower, 2), round(result.zx_upper, 2))
        0.01 4.6 4.61
        1.0 1.05 2.79
        100.0 0.01 0.05
    """
    scale = nats_in(unit)
    variances = [positive_number(value, "noise_variance") for value in _listed(noise_variances)]
    samples = as_samples(z)
    n, units = samples.shape
    _, classes = as_classes(labels, n)
    sizes = np.bincount(classes)
    of_class_size = float(sizes @ np.log(sizes)) / n  # sum_k p_k log n_k
    label_entropy = max(math.log(n) - of_class_size, 0.0) if len(sizes) > 1 else 0.0
    results = []
    for variance, logs in zip(variances, log_kernel_sums(samples, classes, variances), strict=True):
        (low_all, low_class), (up_all, up_class) = logs.tolist()
        # h(z) - h(noise) = log n - mean log S_i, and so within a class; what S_i has in common drops out.
        zx_upper = max(math.log(n) - up_all, 0.0)
        zy_upper = min(max(label_entropy - (up_all - low_class), 0.0), label_entropy)
        values = {
            "zx_lower": min(max(math.log(n) - low_all, 0.0), zx_upper),
            "zx_upper": zx_upper,
            "zy_lower": min(max(label_entropy - (low_all - up_class), 0.0), zy_upper),
            "zy_upper": zy_upper,
            "zy_lower_conventional": label_entropy - (low_all - low_class),
            "zy_upper_conventional": label_entropy - (up_all - up_class),
            "label_entropy": label_entropy,
        }
        in_unit = {name: scale * value for name, value in values.items()}
        results.append(MutualInformation(**in_unit, n_samples=n, n_units=units, noise_variance=variance, unit=unit))
    return results


def _listed(noise_variances: Any) -> list[Any]:
    scalar = getattr(noise_variances, "ndim", 1) == 0
    variances = list(noise_variances) if isinstance(noise_variances, Iterable) and not scalar else []
    if not variances or isinstance(noise_variances, (str, bytes)):
        raise ValueError(
            f"Expected `noise_variances` to be one number or more in a list. Received: {noise_variances!r}"
        )
    return variances
