"""The choice of the noise variance."""

from typing import Any

import numpy as np

from keras_repreg.arguments import positive_number
from keras_repreg.information.samples import as_numbers, as_samples

# The number of values processed at once.
BLOCK = 1 << 20


def relative_noise_variance(z: Any, share: float = 1.0) -> float:
    """Return a noise variance relative to the variance of the layer.

    The variance of the layer is the mean variance of its units, without constant units:

        s^2 = share^2 * mean over units of var(z_i)

    With this variance, multiplying all activations by a factor does not change the information.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), where all axes but the first are units.
        share: Standard deviation of the noise relative to that of the layer, above zero.

    Returns:
        s^2, for `mutual_information`.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, if all samples are equal, since
            there is no scale; if the variance leaves the range of float64; or if `share` is not above zero.

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
    for start in range(0, len(variances), step):  # in float64 without copying all activations
        units = slice(start, start + step)
        block = as_samples(numbers[:, units])
        with np.errstate(over="ignore", invalid="ignore"):
            variances[units] = np.where(np.ptp(block, axis=0) > 0, block.var(axis=0), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        noise_variance = share**2 * float(variances.sum() / max(np.count_nonzero(variances), 1))
    if not 0 < noise_variance < np.inf:
        raise ValueError(
            "Expected activations that differ between samples, with a variance that fits in float64. Received: mean "
            f"variance {variances.mean():.3g}, share={share}"
        )
    return noise_variance
