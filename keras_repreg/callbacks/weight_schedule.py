"""Loss weights that change during training: warm-up, decay, or any other schedule."""

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_repreg import seam
from keras_repreg.arguments import one_of
from keras_repreg.callbacks.penalty_logger import select_regularizers
from keras_repreg.layers.weight_factor import checked_factor


class WeightSchedule(keras.callbacks.Callback):
    """Multiplies the loss weights of representation regularizers by a factor that changes during training.

    Compiled functions use the new factor without being compiled again, except the first time the callback is used on a
    model. The last factor remains after training and is saved with the model, so that a copy has the same loss.

    Args:
        schedule: A function from the epoch, counted from zero as in `fit`, to the factor, a finite number >= 0. With
            `per="batch"`, a function of the number of batches since the first epoch; a training resumed at
            `initial_epoch` counts the batches of the earlier epochs.
        layers: A regularizer, its name, or a list of these; by default all in the model, including nested models and
            layers. In a model without regularizers the callback does nothing.
        per: `"epoch"` or `"batch"`. With `steps_per_execution` the factor changes once per execution.

    Raises:
        TypeError: if `schedule` is not callable, a factor is not a number, or one of the layers is not a representation
            regularizer.
        ValueError: if `per` is neither of the two, a factor is out of range, or the model has no such layer.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu"),
        ...     keras_repreg.RankRegularization(0.01),
        ...     keras.layers.Dense(3),
        ... ])
        >>> model.compile("adam", "mse")
        >>> warm_up = keras_repreg.WeightSchedule(keras_repreg.linear_warm_up(5))
        >>> history = model.fit(np.ones((10, 4)), np.ones((10, 3)), epochs=2, callbacks=[warm_up], verbose=0)
    """

    def __init__(self, schedule: Callable[[int], float], layers: Any = None, *, per: str = "epoch"):
        super().__init__()
        if not callable(schedule):
            raise TypeError(f"Expected `schedule` to be a function of the epoch or batch. Received: {schedule!r}")
        one_of(per, ("epoch", "batch"), "per")
        self._schedule = schedule
        self._layers = layers
        self._per = per
        self._chosen: list[Any] = []
        self._batches_before: Any = None
        self._batches: Any = None

    # Called before the step functions are made, unlike `on_train_begin`.
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._chosen = select_regularizers(self.model, self._layers)
        strategy = getattr(self.model, "distribute_strategy", None)
        made = [layer.weight_factor.make_variable(strategy, layer.path or layer.name) for layer in self._chosen]
        if any(made):
            seam.forget_compiled(self.model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._batches_before = self._batches = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._per == "epoch":
            self._assign(epoch)
            return
        if self._batches is None:
            self._batches_before = self._batches_of(epoch)
        else:
            self._batches_before += self._batches
        self._batches = 0

    def _batches_of(self, epochs: int) -> int:
        """Return the number of batches in the epochs before this training."""
        steps = (self.params or {}).get("steps")
        if epochs and steps is None and self._chosen:
            raise ValueError(
                "Expected data with a known number of batches, or `steps_per_epoch`, to resume a schedule per batch. "
                f"Received: initial_epoch={epochs} and data of unknown length"
            )
        return epochs * (steps or 0)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._per == "batch":
            self._assign(self._batches_before + batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches = batch + 1

    def _assign(self, index: int) -> None:
        if not self._chosen:
            return
        factor = checked_factor(self._schedule(index), f"schedule({index})")
        # Between the batches of an epoch, JAX keeps the values of the variables elsewhere.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        for layer in self._chosen:
            layer.weight_factor.assign(factor)


def linear_warm_up(length: int, start: float = 0.0) -> Callable[[int], float]:
    """Return a schedule that rises linearly from `start` in the first epoch (or batch) to 1 after `length` of them.

    Args:
        length: Number of epochs, or of batches with `per="batch"`, at least 1.
        start: The first factor, a finite number >= 0.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an argument is out of range.

    Examples:
        >>> import keras_repreg
        >>> [keras_repreg.linear_warm_up(4)(epoch) for epoch in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    if isinstance(length, bool) or not isinstance(length, numbers.Integral):
        raise TypeError(f"Expected `length` to be an integer. Received: length={length!r}")
    if length < 1:
        raise ValueError(f"Expected `length` to be at least 1. Received: length={length!r}")
    return LinearWarmUp(int(length), checked_factor(start, "start"))


@dataclass(frozen=True)
class LinearWarmUp:
    """The picklable function of the epoch or batch returned by `linear_warm_up`."""

    length: int
    start: float

    def __call__(self, index: int) -> float:
        return self.start + (1 - self.start) * min(index / self.length, 1)
