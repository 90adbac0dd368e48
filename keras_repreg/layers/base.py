"""The base of the penalties of Table 5: an identity layer that adds `weight * Omega` to the loss."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import replicas
from keras_repreg.classes import Classes
from keras_repreg.labels import THREE_DOORS, class_ids, current_labels
from keras_repreg.layers.arrangement import Arrangement
from keras_repreg.layers.penalty_metric import PenaltyMetric
from keras_repreg.layers.weight_factor import WeightFactor, checked_factor
from keras_repreg.recording import record
from keras_repreg.statistics import number_of_samples, upcast

Tensor = Any


class RepresentationRegularization(keras.layers.Layer):
    """Base class: passes activations on unchanged and adds `weight * Omega(Z)` to the model's loss.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Divide Omega by `normalizer`, so that the same weight suits any width, number of classes and
            batch size.
        units: What the columns of Z are where activations have more than two dimensions. `"channels"`: the
            channels; every position of every sample is a row, and positions that a Keras mask excludes are left
            out. `"flatten"`: all entries of a sample.
        data_format: For `units="channels"`, `"channels_last"` or `"channels_first"`; by default that of
            `keras.config.image_data_format()`.
        synchronized: Take the statistics over the global batch of all replicas of a `tf.distribute` strategy,
            rather than over each replica's own part. (On JAX they always are.)
        penalize_evaluation: Whether the penalty is a part of the loss outside of training too, and so of
            `val_loss`. With False it is there only if the layer is called with `training=True`, as `fit` does.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Attributes:
        weight_factor: What `weight` is multiplied by: 1, or what a `WeightSchedule` has set.

    Input shape:
        (N, M): N samples of M units; with `units`, (N, ..., C), or (N, C, ...) where channels come first.

    Output shape:
        That of the input.

    Raises:
        TypeError: if `weight` is not a number or one of the flags not a bool.
        ValueError: if an argument is out of range, or the input has another rank or no known number of units.

    Examples:
        A penalty of your own needs one method:

        >>> import keras, keras_repreg
        >>> @keras.saving.register_keras_serializable(package="example")
        ... class EnergyRegularization(keras_repreg.layers.RepresentationRegularization):
        ...     def omega(self, z):
        ...         return keras.ops.sum(keras.ops.square(z))
        >>> layer = EnergyRegularization(0.5)
        >>> z = layer(keras.ops.ones((2, 3)))
        >>> float(layer.losses[0])
        3.0
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        normalize: bool = False,
        units: str | None = None,
        data_format: str | None = None,
        synchronized: bool = False,
        penalize_evaluation: bool = True,
        **kwargs: Any,
    ):
        weight = checked_factor(weight, "weight")
        flags = {"normalize": normalize, "synchronized": synchronized, "penalize_evaluation": penalize_evaluation}
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise TypeError(f"Expected `{name}` to be True or False. Received: {name}={flag!r}")
        arrangement = Arrangement(units, data_format)
        super().__init__(**kwargs)
        self.weight = weight
        self.normalize = normalize
        self.units = arrangement.units
        self.data_format = arrangement.data_format
        self.synchronized = synchronized
        self.penalize_evaluation = penalize_evaluation
        self.weight_factor = WeightFactor()
        self.penalty_metric = PenaltyMetric()
        self._shared_losses = replicas.SharedLosses()
        self.supports_masking = True
        self._arrangement = arrangement

    def omega(self, z: Tensor) -> Tensor:
        """Omega of Table 5 for activations of shape (N, M) in float32 or float64; a scalar.

        Where it has an argument `sample_weight`, it gets one weight a row, (N,), if some rows do not count: 0 for the
        positions that a mask excludes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `omega(self, z)`.")

    def normalizer(self, z: Tensor) -> Tensor | float:
        """What Omega is divided by under `normalize=True`; `sample_weight` as in `omega`."""
        return float(z.shape[1])

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if self._is_active(training):
            z, sample_weight = self._samples(inputs, mask)
            omega = self._weighted(self.omega, z, sample_weight)
            if self.normalize:
                omega = omega / self._weighted(self.normalizer, z, sample_weight)
            self._penalize(omega)
        return inputs

    def _is_active(self, training: bool | None) -> bool:
        return self.penalize_evaluation or bool(training)

    def _samples(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Z, and how much each row counts unless all do alike; of all replicas if synchronized."""
        z = upcast(self._arrangement.rows(inputs, self._who()))
        sample_weight = self._arrangement.sample_weight(mask, inputs, self._who())
        if sample_weight is not None:
            sample_weight = self._global(ops.cast(sample_weight, z.dtype))
        return self._global(z), sample_weight

    def _weighted(self, statistic: Callable[..., Tensor], z: Tensor, sample_weight: Tensor | None) -> Tensor:
        """`omega` or `normalizer` of rows of which some may not count."""
        if sample_weight is None:
            return statistic(z)
        if "sample_weight" in inspect.signature(statistic).parameters:
            return statistic(z, sample_weight=sample_weight)
        if statistic == self.normalizer:
            return statistic(z)  # a number of units
        raise self._unweighted(sample_weight)

    def _unweighted(self, sample_weight: Tensor) -> ValueError:
        return ValueError(
            f"{self._who()} cannot leave out what a mask excludes: its statistics take no `sample_weight`. Received: "
            f"a mask of {sample_weight.shape[0]} rows"
        )

    def _global(self, rows: Tensor) -> Tensor:
        return replicas.gather(rows) if self.synchronized else rows

    def _penalize(self, omega: Tensor) -> None:
        penalty = self.weight_factor.times(self.weight, omega)
        record(self, penalty)
        self.add_loss(self._shared_losses.share(penalty, self) if self.synchronized else penalty)

    def _who(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *self.weight_factor.variables]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*super().metrics, *self.penalty_metric.metrics]

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._arrangement.check(tuple(input_shape), self._who())
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "weight": self.weight,
            "normalize": self.normalize,
            "units": self.units,
            "data_format": self.data_format,
            "synchronized": self.synchronized,
            "penalize_evaluation": self.penalize_evaluation,
        }


class ClasswiseRegularization(RepresentationRegularization):
    """Base class of the penalties that are computed class by class, from labels as a side input.

    A penalty of your own defines `omega(self, z, classes)`, with `classes` a `keras_repreg.classes.Classes`.

    Without labels, inference and evaluation pass activations on and add nothing; training is an error.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Divide Omega by its number of terms (see each layer), so that the same weight suits any width
            and number of classes.
        num_classes: K for `normalize=True`, and the width that one-hot labels must have. By default the
            number of classes present in the batch.
        label_key: Which entry of dict, list or tuple targets holds the labels.
        **kwargs: `units`, `data_format`, `synchronized` and `penalize_evaluation` as in
            `RepresentationRegularization`, and arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        inputs: Activations (N, M), or a list `[activations, labels]`.
        labels: Class ids of shape (N,) or (N, 1), or one-hot of shape (N, K). By default those of the
            surrounding `label_scope`. With `units="channels"` they are those of all positions of a sample; labels
            with the positions' dimensions, (N, ..., 1) or one-hot (N, ..., K), or ids (N, ...) where there are two
            of these dimensions or more, are those of each position.
        training: Whether labels are required.

    Output shape:
        That of the activations.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an argument is out of range, the shape of the activations does not fit, the labels do not fit
            them, or there are none in training.
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        normalize: bool = False,
        num_classes: int | None = None,
        label_key: str | int | None = None,
        **kwargs: Any,
    ):
        if num_classes is not None and (
            isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer))
        ):
            raise TypeError(f"Expected `num_classes` to be an integer or None. Received: num_classes={num_classes!r}")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"Expected `num_classes` to be at least 1. Received: num_classes={num_classes!r}")
        if isinstance(label_key, bool) or not isinstance(label_key, (str, int, type(None))):
            raise TypeError(f"Expected `label_key` to be a string, an integer or None. Received: {label_key!r}")
        super().__init__(weight, normalize=normalize, **kwargs)
        self.num_classes = None if num_classes is None else int(num_classes)
        self.label_key = label_key

    def omega(self, z: Tensor, classes: Classes) -> Tensor:  # type: ignore[override]
        """Omega of Table 5 for activations of shape (N, M) and their classes; a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define `omega(self, z, classes)`.")

    def call(  # type: ignore[override]
        self,
        inputs: Any,
        labels: Tensor | None = None,
        training: bool | None = None,
        mask: Any = None,
        inputs_mask: Tensor | None = None,  # where Keras puts it if the labels are an argument of their own
    ) -> Tensor:
        z, mask = inputs, mask if inputs_mask is None else inputs_mask
        if isinstance(inputs, (list, tuple)):
            if len(inputs) != 2:
                raise ValueError(
                    f"{self._who()} expects `[activations, labels]`. Received: a list of {len(inputs)} inputs"
                )
            z, labels = inputs
            mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not self._is_active(training):
            return z
        if labels is None:
            labels = current_labels(self.label_key)
        if labels is None:
            if training:
                raise ValueError(f"{self._who()} got no labels while training. {THREE_DOORS} Received: labels=None")
            return z
        self._penalize(self._classwise_omega(z, labels, mask))
        return z

    def _classwise_omega(self, inputs: Tensor, labels: Tensor, mask: Tensor | None) -> Tensor:
        z, sample_weight = self._samples(inputs, mask)
        labels = self._arrangement.labels(labels, inputs, self._who())
        classes = self._classes(self._global(ops.convert_to_tensor(labels)), z, sample_weight)
        omega = self.omega(z, classes)
        if self.normalize:
            number = classes.number() if self.num_classes is None else float(self.num_classes)
            omega = omega / (self._weighted(self.normalizer, z, sample_weight) * number)
        return omega

    def _classes(self, labels: Tensor, z: Tensor, sample_weight: Tensor | None = None) -> Classes:
        """The classes of the rows."""
        if sample_weight is not None:
            raise self._unweighted(sample_weight)
        ids = class_ids(labels, z, self.num_classes)
        return Classes(ids, keras.backend.standardize_dtype(z.dtype))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape[0] if isinstance(input_shape[0], (list, tuple)) else input_shape
        return super().compute_output_shape(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "label_key": self.label_key}


def pairs_of_units(z: Tensor) -> float:
    """M (M - 1), the number of off-diagonal entries of a covariance; 1 for a single unit, which has none."""
    return float(max(z.shape[1] * (z.shape[1] - 1), 1))


def entries(z: Tensor) -> Tensor:
    """N M, the number of activations of a batch."""
    return number_of_samples(z) * ops.cast(z.shape[1], z.dtype)
