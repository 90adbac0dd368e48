"""The L1 representation regularizer of Table 5: L1R."""

from typing import Any

import keras

from keras_repreg import batch_statistics
from keras_repreg.layers.base import RepresentationRegularization, entries

Tensor = Any


@keras.saving.register_keras_serializable(package="keras_repreg")
class L1Regularization(RepresentationRegularization):
    """Penalizes the absolute activations: L1R of Table 5.

    Omega = sum over n and i of abs(z_i^n). The sum includes the samples, so it grows with the batch size. With
    `normalize=True` it is divided by N M, which gives the mean absolute activation.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Whether to divide by the number of terms.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        (N, M): N samples of M units.

    Output shape:
        Same as the input, which is returned unchanged.

    Raises:
        TypeError, ValueError: see `RepresentationRegularization`.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.L1Regularization(1.0)
        >>> z = layer(keras.ops.array([[0.0, -1.0], [2.0, 1.0]]))
        >>> float(layer.losses[0])
        4.0

    Reference:
        Glorot, Bordes and Bengio (2011), "Deep sparse rectifier neural networks".
    """

    def omega(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return batch_statistics.absolute_sum(z, sample_weight)

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return entries(z, sample_weight)
