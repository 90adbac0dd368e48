"""The result of the estimator of mutual information."""

import math
from dataclasses import dataclass

from keras_repreg.information.samples import nats_in

# A value of I(z; x) is saturated if it is within this fraction of log N.
SATURATION = 0.01


@dataclass(frozen=True)
class MutualInformation:
    """The result of `mutual_information`, in `unit`; without labels all attributes of y are None.

    Attributes:
        zx: I(z; x), by Monte Carlo.
        zx_error: Its standard error.
        zx_lower: Lower bound of I(z; x).
        zx_upper: Upper bound of I(z; x), never above log N.
        zy: I(z; y), by Monte Carlo.
        zy_error: Its standard error.
        zy_lower: Lower bound of I(z; y), never below 0.
        zy_upper: Upper bound of I(z; y), never above H(y).
        zy_lower_conventional: The difference of the lower bounds of h(z) and h(z|y), commonly shown; NOT a bound.
        zy_upper_conventional: The difference of the upper bounds of h(z) and h(z|y), commonly shown; NOT a bound.
        label_entropy: H(y) of these samples.
        n_samples: N.
        n_units: M.
        n_draws: Draws of the noise.
        noise_variance: s^2.
        unit: "nats" or "bits".
    """

    zx: float
    zx_error: float
    zx_lower: float
    zx_upper: float
    zy: float | None
    zy_error: float | None
    zy_lower: float | None
    zy_upper: float | None
    zy_lower_conventional: float | None
    zy_upper_conventional: float | None
    label_entropy: float | None
    n_samples: int
    n_units: int
    n_draws: int
    noise_variance: float
    unit: str

    @property
    def sample_entropy(self) -> float:
        """log N: no estimate of I(z; x) from N samples can exceed it."""
        return math.log(self.n_samples) * nats_in(self.unit)

    @property
    def zx_saturated(self) -> bool:
        """Whether I(z; x) is within 1% of log N.

        Nearly all samples are then far apart relative to the noise. The value depends on the number of samples rather
        than on the representation: use more samples or more noise.
        """
        return self.n_samples > 1 and self.zx >= (1 - SATURATION) * self.sample_entropy

    def __str__(self) -> str:
        saturated = f", saturated: log N = {self.sample_entropy:.4g}" if self.zx_saturated else ""
        zx = f"I(z;x) = {self.zx:.4g} ± {self.zx_error:.1g} in [{self.zx_lower:.4g}, {self.zx_upper:.4g}]{saturated}; "
        zy = (
            f"I(z;y) = {self.zy:.4g} ± {self.zy_error:.1g} in [{self.zy_lower:.4g}, {self.zy_upper:.4g}] "
            f"of H(y) = {self.label_entropy:.4g}; "
            if self.zy is not None
            else ""
        )
        return f"{zx}{zy}{self.unit}, s^2 = {self.noise_variance:g}, N = {self.n_samples}"
