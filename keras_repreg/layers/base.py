"""The base of the penalties of Table 5: an identity layer that adds `weight * Omega` to the loss."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_repreg import replicas
from keras_repreg.layers.arrangement import Arrangement
from keras_repreg.layers.penalty_metric import PenaltyMetric
from keras_repreg.layers.role import check_role
from keras_repreg.layers.weight_factor import WeightFactor, checked_factor
from keras_repreg.recording import outliving, record
from keras_repreg.statistics import counted, number_of_samples, upcast

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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        check_role(self, args[0] if args else kwargs.get("inputs"))
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if isinstance(inputs, (list, tuple)):
            raise self._several(len(inputs))
        if self._is_active(training):
            z, sample_weight = self._samples(inputs, mask)
            if sample_weight is not None:
                z = counted(z, sample_weight)
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
        penalty = outliving(self, self.weight_factor.times(self.weight, omega))
        loss = self._shared_losses.share(penalty, self) if self.synchronized else penalty
        self.add_loss(loss)
        # Keras drops the losses of calls that only find out shapes, as a step makes them to build a model first.
        if any(added is loss for added in self.losses):
            record(self, penalty)

    def _several(self, number: int) -> ValueError:
        return ValueError(
            f"{self._who()} expects the activations alone; only class-wise layers take labels beside. Received: a list "
            f"of {number} inputs"
        )

    def _who(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *self.weight_factor.variables]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*super().metrics, *self.penalty_metric.metrics]

    def compute_output_shape(self, input_shape: Any) -> Any:
        if input_shape and isinstance(input_shape[0], (list, tuple)):
            raise self._several(len(input_shape))
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


def pairs_of_units(z: Tensor) -> float:
    """M (M - 1), the number of off-diagonal entries of a covariance; 1 for a single unit, which has none."""
    return float(max(z.shape[1] * (z.shape[1] - 1), 1))


def entries(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """N M, the number of activations of a batch."""
    return number_of_samples(z, sample_weight) * ops.cast(z.shape[1], z.dtype)
