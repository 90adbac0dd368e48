"""Add penalties to the logs that `fit` and `evaluate` pass to every callback."""

import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_repreg import seam
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.steps import open_step_scopes

Layers = dict[str, RepresentationRegularization]


class PenaltyLog:
    """Adds the mean penalties requested by callbacks to the logs of their run.

    It wraps methods of the model once and for all, so that no function is compiled again. A run starts with
    `make_train_function` or `make_test_function`, before callbacks are called. At that point the requests of earlier
    runs, including those that raised an exception, are discarded.
    """

    def __init__(self, model: keras.Model):
        self._model = weakref.ref(model)
        self._train: Layers = {}
        self._test: Layers = {}
        self._testing = False
        open_step_scopes(model)
        seam.replace_method(model, "make_train_function", self._begin_training)
        seam.replace_method(model, "make_test_function", self._begin_testing)
        seam.replace_method(model, "_get_metrics_result_or_logs", self._with_penalties)
        for name in ("evaluate", "train_on_batch", "test_on_batch"):
            seam.replace_method(model, name, self._within_another)

    @classmethod
    def of(cls, model: keras.Model) -> "PenaltyLog":
        """Return the model's log, created by the first call."""
        owners = (getattr(function, "__self__", None) for function in seam.around(model, "make_train_function"))
        return next((owner for owner in owners if isinstance(owner, cls)), None) or cls(model)

    def log_training(self, layers: Layers) -> None:
        """Add the penalties of layers, by name, to the logs of the `fit` that has just started."""
        self._train |= layers

    def log_testing(self, layers: Layers) -> None:
        """Add the penalties of layers, by name, to the logs of the evaluation that has just started."""
        self._test |= layers

    def _within_another(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Restore the state of an outer run if this run was started by one of its callbacks."""
        before = self._train, self._test, self._testing
        try:
            return run(*args, **kwargs)
        finally:
            self._train, self._test, self._testing = before

    def _begin_training(self, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._train, self._testing = {}, False
        return make(*args, **kwargs)

    def _begin_testing(self, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._test, self._testing = {}, True
        return make(*args, **kwargs)

    def _with_penalties(self, result: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        logs = result(*args, **kwargs)
        layers = self._test if self._testing else self._train
        self._testing = False
        model = self._model()
        effective = {name: layer for name, layer in layers.items() if layer.effects.get(model) is not False}
        values = {name: layer.penalty_mean.result() for name, layer in effective.items()}
        return {**logs, **{name: value for name, value in values.items() if value is not None}}


def reset_means(model: keras.Model, layers: Layers) -> None:
    """Reset the means at the start of an epoch or evaluation."""
    # Between batches, JAX keeps the values of the variables elsewhere.
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    for layer in layers.values():
        layer.penalty_mean.reset()
