"""Rank regularizers of Table 5: RR and its class-wise version cw-RR (section 4.2, eq. 7 to 10)."""

from typing import Any

import keras

from keras_repreg import batch_statistics
from keras_repreg.arguments import one_of
from keras_repreg.classes import Classes
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization

Tensor = Any

METHODS = ("holder", "power", "svd")


@keras.saving.register_keras_serializable(package="keras_repreg")
class RankRegularization(RepresentationRegularization):
    """Penalizes the stable rank of the batch of activations: RR of Table 5.

    Omega = ||Z||_F^2 / ||Z||_2^2 (eq. 7), a lower bound on the rank of Z that small singular values hardly affect. With
    `normalize=True` it is divided by M. An all-zero Z contributes zero.

    `method="holder"`, as in the paper, replaces the spectral norm with its upper bound
    ||Z||_2^2 <= ||Z||_1 ||Z||_inf (eq. 9). The result is cheap but loose, and below 1 for many matrices. `"power"`
    computes the spectral norm by power iteration (see `keras_repreg.power_iteration`), and `"svd"`, which is slow, by a
    decomposition. Both have exact gradients.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Whether to divide by the number of units.
        method: `"holder"`, `"power"` or `"svd"`.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        (N, M): N samples of M units.

    Output shape:
        Same as the input, which is returned unchanged.

    Raises:
        TypeError, ValueError: see `RepresentationRegularization`; ValueError if `method` is none of the three.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.RankRegularization(1.0, method="power")
        >>> z = layer(keras.ops.array([[3.0, 0.0], [0.0, 3.0], [0.0, 0.0]]))
        >>> round(float(layer.losses[0]), 4)
        2.0

    Reference:
        Section 4.2 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
    """

    def __init__(self, weight: float = 0.01, *, normalize: bool = False, method: str = "holder", **kwargs: Any):
        one_of(method, METHODS, "method")
        super().__init__(weight, normalize=normalize, **kwargs)
        self.method = method

    def omega(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return batch_statistics.stable_rank(z, self.method, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method}


@keras.saving.register_keras_serializable(package="keras_repreg")
class ClasswiseRankRegularization(ClasswiseRegularization):
    """Penalizes the stable rank of each class's activations: cw-RR of Table 5.

    Omega = sum over k of ||Z^(k)||_F^2 / ||Z^(k)||_2^2, where the rows of Z^(k) are the samples of class k, with the
    methods of `RankRegularization`. With `normalize=True` it is divided by M K, where K is `num_classes` or, by
    default, the number of classes present. A class whose activations are all zero contributes zero.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Whether to divide by M K.
        method: `"holder"`, `"power"` or `"svd"`.
        **kwargs: `num_classes`, `label_key`, `soft_labels`, `ignore_class` and the other arguments of
            `ClasswiseRegularization`.

    Call arguments:
        - `inputs`: Activations (N, M), or a list `[activations, labels]`.
        - `labels`: Class ids (N,) or (N, 1), or one-hot or soft (N, K).

    Output shape:
        Same as the activations, which are returned unchanged.

    Raises:
        TypeError, ValueError: see `ClasswiseRegularization`; ValueError if `method` is none of the three.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.ClasswiseRankRegularization(1.0, method="power")
        >>> z = keras.ops.array([[3.0, 0.0], [0.0, 3.0], [1.0, 2.0]])
        >>> z = layer([z, keras.ops.array([0, 0, 1])])
        >>> round(float(layer.losses[0]), 4)  # 2 for class 0 and 1 for class 1
        3.0

    Reference:
        Section 4.2 and Table 5 of Choi, Lee, Shin and Rhee (2018), "On the statistical and
        information-theoretic characteristics of deep network representations".
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        normalize: bool = False,
        method: str = "holder",
        **kwargs: Any,
    ):
        one_of(method, METHODS, "method")
        super().__init__(weight, normalize=normalize, **kwargs)
        self.method = method

    def omega(self, z: Tensor, classes: Classes) -> Tensor:
        return classes.stable_rank_sum(z, self.method)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method}
