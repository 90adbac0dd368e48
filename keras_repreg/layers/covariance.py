"""Covariance regularizers of Table 5: CR (the DeCov loss) and its class-wise version cw-CR."""

from typing import Any

import keras

from keras_repreg import batch_statistics
from keras_repreg.classes import Classes
from keras_repreg.layers.base import RepresentationRegularization, pairs_of_units
from keras_repreg.layers.classwise import ClasswiseRegularization

Tensor = Any


@keras.saving.register_keras_serializable(package="keras_repreg")
class CovarianceRegularization(RepresentationRegularization):
    """Penalizes the covariance between units: CR of Table 5, known as DeCov.

    Omega = sum over i != j of c_ij^2, where c_ij = E[(z_i - mu_i)(z_j - mu_j)] over the batch (divided by N). With
    `normalize=True` it is divided by M (M - 1).

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
        >>> layer = keras_repreg.CovarianceRegularization(1.0)
        >>> z = layer(keras.ops.array([[0.0, 0.0], [2.0, 2.0]]))
        >>> round(float(layer.losses[0]), 4)  # c_12 = c_21 = 1
        2.0

    Reference:
        Cogswell et al. (2016), "Reducing overfitting in deep networks by decorrelating representations", where the sum
        is halved.
    """

    def omega(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return batch_statistics.squared_off_diagonal_sum(z, sample_weight)

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> float:
        return pairs_of_units(z)


@keras.saving.register_keras_serializable(package="keras_repreg")
class ClasswiseCovarianceRegularization(ClasswiseRegularization):
    """Penalizes the covariance between units within each class: cw-CR of Table 5.

    Omega = sum over k and i != j of (c_ij^(k))^2, where c_ij^(k) (eq. 12) is the covariance over the samples of class
    k. With `normalize=True` it is divided by M (M - 1) K, where K is `num_classes` or, by default, the number of
    classes present. A class with one sample contributes zero.

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
        >>> layer = keras_repreg.ClasswiseCovarianceRegularization(1.0)
        >>> z = keras.ops.array([[0.0, 0.0], [2.0, 2.0], [7.0, 5.0]])
        >>> z = layer([z, keras.ops.array([0, 0, 1])])
        >>> round(float(layer.losses[0]), 4)
        2.0

    Reference:
        Choi and Rhee (2018), "Utilizing class information for DNN representation shaping".
    """

    def omega(self, z: Tensor, classes: Classes) -> Tensor:
        return classes.squared_off_diagonal_sum(z)

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> float:
        return pairs_of_units(z)
