"""How much noise to measure with."""

from typing import Any

import numpy as np

from keras_repreg.arguments import positive_number
from keras_repreg.information.samples import as_numbers, as_samples

# Numbers that are looked at together.
BLOCK = 1 << 20


def relative_noise_variance(z: Any, share: float = 1.0) -> float:
    """Return the noise variance whose standard deviation is a share of the layer's own.

    The layer's standard deviation is the root of the mean variance of its units, those that are constant left out:

        s^2 = share^2 * mean over units of var(z_i)

    With it, multiplying all activations by one factor changes no information.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), of which all axes but the first count as units.
        share: Standard deviation of the noise relative to that of the layer, above zero.

    Returns:
        s^2, for `mutual_information`.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, or all samples are equal, so that
            there is no scale; if the variance leaves the range of float64; or if the share is not above zero.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import relative_noise_variance
        >>> z = np.array([[0.0, 0.0, 5.0], [2.0, 6.0, 5.0]])  # variances 1, 9 and 0
        >>> relative_noise_variance(z, share=2.0)
        20.0
    """
    share = positive_number(share, "share")
    numbers = as_numbers(z)
    variances = np.zeros(numbers.shape[1])
    step = max(BLOCK // len(numbers), 1)
    for start in range(0, len(variances), step):  # in float64, without a copy of all activations
        units = slice(start, start + step)
        block = as_samples(numbers[:, units])
        with np.errstate(over="ignore", invalid="ignore"):
            variances[units] = np.where(np.ptp(block, axis=0) > 0, block.var(axis=0), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        noise_variance = share**2 * float(variances.sum() / max(np.count_nonzero(variances), 1))
    if not 0 < noise_variance < np.inf:
        raise ValueError(
            "Expected activations that differ between samples, of a variance that fits in float64. "
            f"Received: mean variance {variances.mean():.3g}, share={share}"
        )
    return noise_variance
