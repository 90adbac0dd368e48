"""Variance regularizers of Table 5: VR and its class-wise version cw-VR."""

from typing import Any

import keras

from keras_repreg import batch_statistics
from keras_repreg.classes import Classes
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization

Tensor = Any


@keras.saving.register_keras_serializable(package="keras_repreg")
class VarianceRegularization(RepresentationRegularization):
    """Penalizes the variance of the units: VR of Table 5.

    Omega = sum over i of v_i, where v_i = E[(z_i - mu_i)^2] over the batch (divided by N). With
    `normalize=True` it is divided by M.

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
        >>> layer = keras_repreg.VarianceRegularization(1.0)
        >>> z = layer(keras.ops.array([[0.0, 1.0], [2.0, 1.0]]))
        >>> float(layer.losses[0])
        1.0

    Reference:
        Choi and Rhee (2018), "Utilizing class information for DNN representation shaping".
    """

    def omega(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return batch_statistics.variance_sum(z, sample_weight)


@keras.saving.register_keras_serializable(package="keras_repreg")
class ClasswiseVarianceRegularization(ClasswiseRegularization):
    """Penalizes the variance of the units within each class: cw-VR of Table 5.

    Omega = sum over k and i of v_i^(k), where v_i^(k) (eq. 13) is the variance over the samples of class k. With
    `normalize=True` it is divided by M K, where K is `num_classes` or, by default, the number of classes present. A
    class with one sample contributes zero.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Whether to divide by the number of terms.
        num_classes: K for `normalize=True`; by default the number of classes present in the batch.
        label_key: The entry that holds the labels, if the targets are a dict, list or tuple.
        soft_labels: Whether labels are rows of class probabilities, as after mixup or label smoothing.
        ignore_class: The class id of samples to ignore.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        - `inputs`: Activations (N, M), or a list `[activations, labels]`.
        - `labels`: Class ids (N,) or (N, 1), or one-hot or soft (N, K).

    Output shape:
        Same as the activations, which are returned unchanged.

    Raises:
        TypeError, ValueError: see `ClasswiseRegularization`.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.ClasswiseVarianceRegularization(1.0)
        >>> z = keras.ops.array([[0.0, 1.0], [2.0, 1.0], [9.0, 9.0]])
        >>> z = layer([z, keras.ops.array([0, 0, 1])])
        >>> round(float(layer.losses[0]), 4)
        1.0

    Reference:
        Choi and Rhee (2018), "Utilizing class information for DNN representation shaping".
    """

    def omega(self, z: Tensor, classes: Classes) -> Tensor:
        return classes.variance_sum(z)
