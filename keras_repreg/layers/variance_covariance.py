"""The variance-covariance regularizer: VCReg."""

from typing import Any

import keras
from keras import ops

from keras_repreg import batch_statistics
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.weight_factor import checked_factor

Tensor = Any

# Added to variances, as in the paper, to keep the slope of the square root finite at zero.
EPSILON = 1e-4


@keras.saving.register_keras_serializable(package="keras_repreg")
class VCRegularization(RepresentationRegularization):
    r"""Penalizes covariance between units, and variance that is too small: VCReg.

    $$\Omega = \frac{\alpha}{M} \sum_i \max\left(0, 1 - \sqrt{v_i + 10^{-4}}\right)
      + \frac{\beta}{M} \sum_{i \neq j} c_{ij}^2$$

    with variances v_i and covariances c_ij over the batch, divided by N - 1. The first term keeps the activations from
    shrinking, which would reduce the second term as well (and does with `CovarianceRegularization` alone). With
    `normalize=True` the second term is divided by M (M - 1) instead of M. This is the mean over pairs, for which the
    same weight suits any width.

    Args:
        variance_weight: alpha, a finite number >= 0.
        covariance_weight: beta, a finite number >= 0.
        normalize: Whether to also divide the second term by M - 1.
        **kwargs: As in `RepresentationRegularization`.

    Input shape:
        (N, M): N samples of M units.

    Output shape:
        Same as the input, which is returned unchanged.

    Raises:
        TypeError, ValueError: see `RepresentationRegularization`.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.VCRegularization(1.0, 1.0)
        >>> z = layer(keras.ops.array([[0.0, 0.0], [2.0, 2.0]]))
        >>> round(float(layer.losses[0]), 4)  # variances and covariances of 2: no unit varies too little
        4.0
        >>> z = layer(keras.ops.array([[0.0, 1.0], [0.0, 1.0]]))
        >>> round(float(layer.losses[0]), 4)  # constant units
        0.99

    Reference:
        Zhu et al. (2023), "Variance-covariance regularization improves representation learning"; the terms are those of
        Bardes, Ponce and LeCun (2022), "VICReg".
    """

    def __init__(
        self, variance_weight: float = 0.01, covariance_weight: float = 0.01, *, normalize: bool = False, **kwargs: Any
    ):
        variance_weight = checked_factor(variance_weight, "variance_weight")
        covariance_weight = checked_factor(covariance_weight, "covariance_weight")
        super().__init__(1.0, normalize=normalize, **kwargs)
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight

    def omega(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        number = batch_statistics.number_of_samples(z, sample_weight)
        unbiased = number / ops.maximum(number - 1, 1)
        variances = unbiased * batch_statistics.variances(z, sample_weight)
        too_small = ops.mean(ops.maximum(1 - ops.sqrt(variances + EPSILON), 0))
        if sample_weight is not None or z.shape[0] in (None, 0):
            # Without samples there is no penalty.
            present = ops.shape(z)[0] > 0 if sample_weight is None else ops.sum(sample_weight) > 0
            too_small = too_small * ops.cast(present, z.dtype)
        pairs = ops.square(unbiased) * batch_statistics.squared_off_diagonal_sum(z, sample_weight) / z.shape[1]
        if self.normalize:
            pairs = pairs / max(z.shape[1] - 1, 1)
        return self.variance_weight * too_small + self.covariance_weight * pairs

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> float:
        return 1.0  # `omega` has divided

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["weight"]
        return {**config, "variance_weight": self.variance_weight, "covariance_weight": self.covariance_weight}
