"""The base class of the penalties: an identity layer that adds `weight * Omega` to the loss."""

import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_repreg import replicas, seam
from keras_repreg.batch_statistics import number_of_samples, upcast, zero_masked_rows
from keras_repreg.layers.arrangement import Arrangement
from keras_repreg.layers.penalty_mean import PenaltyMean
from keras_repreg.layers.place import check_place
from keras_repreg.layers.weight_factor import WeightFactor, checked_factor
from keras_repreg.steps import current_step

Tensor = Any


class RepresentationRegularization(seam.ExactLosses):
    """Base class of the penalties: returns activations unchanged and adds `weight * Omega(Z)` to the model's loss.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Divide Omega by `normalizer`, so that the same weight suits any width, number of classes and
            batch size.
        units: Which entries are the columns of Z if activations have more than two dimensions. `"channels"`: the
            channels; every position of every sample is a row, and positions excluded by a Keras mask are ignored.
            `"flatten"`: all entries of a sample.
        data_format: `"channels_last"` or `"channels_first"`, for `units="channels"`. Defaults to
            `keras.config.image_data_format()`.
        synchronized: Compute the statistics over the global batch of all replicas of a `tf.distribute` strategy,
            instead of over the part of each replica. On JAX this is always the case.
        penalize_evaluation: Whether the penalty is also part of the loss outside of training, and so of `val_loss`. If
            False, it is added only when the layer is called with `training=True`, as in `fit`.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Attributes:
        weight_factor: The factor of `weight`: 1, or the value set by a `WeightSchedule`.

    Input shape:
        (N, M): N samples of M units; with `units`, (N, ..., C), or (N, C, ...) if channels come first.

    Output shape:
        Same as the input.

    Raises:
        TypeError: if `weight` is not a number, a flag is not a bool, or the layer is used as the
            `activity_regularizer` or `kernel_regularizer` of another layer.
        ValueError: if an argument is out of range, the rank of the input does not match, its number of units is
            unknown, or the layer is called in the loop of an RNN with `unroll=False`.

    Examples:
        A custom penalty needs one method, which also takes `sample_weight` if the penalty is used with masks:

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
        self.penalty_mean = PenaltyMean()
        # Per model: whether its loss depends on this penalty, recorded by the first step.
        self.effects: weakref.WeakKeyDictionary[keras.Model, bool] = weakref.WeakKeyDictionary()
        self.supports_masking = True
        self._shared_losses = replicas.SharedLosses()
        self._arrangement = arrangement
        self._outermost: Callable[[], Any] = weakref.ref(self)

    def omega(self, z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the scalar Omega for activations of shape (N, M) in float32 or float64.

        Subclasses define `omega(z)` or `omega(z, sample_weight=None)`; class-wise penalties define `omega(z, classes)`.
        With a mask, `sample_weight` has shape (N,), with 0 for the rows that the mask excludes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `omega(self, z)`.")

    def _omega(self, training: bool | None) -> Callable[..., Tensor]:
        """Return `omega`; overridden by penalties whose computation differs in training."""
        return self.omega

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor | float:
        """Return the divisor of Omega for `normalize=True`; `sample_weight` as in `omega`."""
        return float(z.shape[1])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = args[0] if args else kwargs.get("inputs")
        if isinstance(inputs, keras.Variable):
            raise TypeError(
                f"Expected {self._title()} as a separate layer, after the layer whose activations it penalizes. "
                f"Received: it as a regularizer of the weights '{inputs.path}'"
            )
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Tensor, *, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if isinstance(inputs, (list, tuple)):
            raise self._several(len(inputs))
        if self._is_active(training):
            z, sample_weight = self._samples(inputs, mask)
            with seam.full_precision(z):
                omega = self._weighted(self._omega(training), z, sample_weight)
                if self.normalize:
                    omega = omega / self._weighted(self.normalizer, z, sample_weight)
            self._penalize(omega, training)
        return inputs

    def _is_active(self, training: bool | None) -> bool:
        """Return whether this call adds a penalty, after checking where the layer is called."""
        outermost = seam.outermost_layer(self)
        if self._outermost() is not outermost:
            check_place(self, outermost)
            self._outermost = weakref.ref(outermost)
        return self.penalize_evaluation or bool(training)

    def _samples(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return Z, from all replicas if synchronized, and its row weights, or None if all rows count equally."""
        # Sparse activations are treated as dense.
        dense = ops.convert_to_tensor(inputs, sparse=False)
        z = upcast(self._arrangement.rows(dense, self._title()))
        sample_weight = self._arrangement.sample_weight(mask, inputs, self._title())
        if sample_weight is not None:
            sample_weight = self._global(ops.cast(sample_weight, z.dtype))
        z = self._global(z)
        return (z if sample_weight is None else zero_masked_rows(z, sample_weight)), sample_weight

    def _weighted(self, statistic: Callable[..., Tensor], z: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return `omega` or `normalizer` of rows, some of which may have weight 0."""
        if sample_weight is None:
            return statistic(z)
        try:
            return statistic(z, sample_weight=sample_weight)
        except TypeError as error:
            if "sample_weight" not in str(error):
                raise
            if statistic == self.normalizer:
                return statistic(z)  # a number of units
            raise ValueError(
                f"Expected `omega` of {self._title()} to take `sample_weight`, which is needed to apply a mask. "
                f"Received: a mask of {sample_weight.shape[0]} rows"
            ) from error

    def _global(self, rows: Tensor) -> Tensor:
        return replicas.gather(rows) if self.synchronized else rows

    def _penalize(self, omega: Tensor, training: bool | None) -> None:
        penalty = self.weight_factor.times(self.weight, omega)
        step = current_step()
        # A model called at inference within a training step, such as a teacher, is not trained by it.
        if step is not None and step.training == bool(training):
            penalty = step.watch(self, penalty)
        self.add_loss(self._shared_losses.share(penalty, self) if self.synchronized else penalty)

    def on_losses_read(self, losses: list[Tensor]) -> None:
        # Only losses that the model sums up count; more of them may have been computed.
        for loss in losses:
            if not seam.is_usable(loss):
                raise ValueError(
                    f"Expected {self._title()} to be called outside of compiled loops, such as `keras.ops.map`, from "
                    "which no loss can be collected. Received: a loss from within one"
                )
        step = current_step()
        if step is not None and losses:
            step.read(self)
            self.penalty_mean.update(step, self, losses)

    def _several(self, number: int) -> ValueError:
        return ValueError(
            f"{self._title()} expects only the activations; labels are for class-wise layers. Received: a "
            f"list of {number} inputs"
        )

    def _title(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *self.weight_factor.variables, *self.penalty_mean.variables]

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if self.weight_factor.variables:
            store["weight_factor"] = self.weight_factor.value

    def load_own_variables(self, store: Any) -> None:
        # A factor is saved only if a schedule was used.
        saved = {name: store[name] for name in store.keys()}  # noqa: SIM118, no dict
        factor = saved.pop("weight_factor", None)
        super().load_own_variables(saved)
        if factor is not None:
            self.weight_factor.restore(float(factor[()]), self.path or self.name)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if input_shape and isinstance(input_shape[0], (list, tuple)):
            raise self._several(len(input_shape))
        self._arrangement.check(tuple(input_shape), self._title())
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
    """Return M (M - 1), the number of off-diagonal entries of a covariance, or 1 for a single unit."""
    return float(max(z.shape[1] * (z.shape[1] - 1), 1))


def entries(z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return N M, the number of activations in a batch."""
    return number_of_samples(z, sample_weight) * ops.cast(z.shape[1], z.dtype)
