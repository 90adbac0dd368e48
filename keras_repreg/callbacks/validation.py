"""A callback's own values among those that validation reports.

Values written into `logs` in `on_epoch_end` are seen only by callbacks that come later. `fit` validates by calling
`model.evaluate` and hands what it returns to every callback; so that is where a value belongs.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from keras_repreg import seam


class ValidationCallback(keras.callbacks.Callback):
    """Base class: what `on_validation` returns joins the `val_` logs of `fit`, for every callback to see."""

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        """Called after each validation of `fit`, with its data; returns values by name, without `val_`."""
        raise NotImplementedError(f"{type(self).__name__} must define `on_validation`.")

    def during_validation(self, x: Any) -> contextlib.AbstractContextManager[None]:
        """A context in which each validation of `fit`, on `x`, runs, to see of it what is there only meanwhile."""
        return contextlib.nullcontext()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        mine = False
        for hook in seam.around(self.model, "evaluate"):
            if isinstance(hook, _AroundEvaluate):
                mine = mine or hook.callback is self
                # The callbacks of one `fit` share their parameters: the others are of one that an exception ended.
                if hook.callback is not self and hook.callback.params is not self.params:
                    hook.undo()
        if not mine:
            _AroundEvaluate(self)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for hook in seam.around(self.model, "evaluate"):
            if isinstance(hook, _AroundEvaluate) and hook.callback is self:
                hook.undo()


class _AroundEvaluate:
    """`model.evaluate`, and within a `fit` that has the callback among its own also the callback's values."""

    def __init__(self, callback: ValidationCallback):
        self.callback = callback
        self.undo = seam.replace_method(callback.model, "evaluate", self)

    def __call__(self, evaluate: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # `fit` passes its list of callbacks on. Any other call, and that of a later `fit` after one that an
        # exception ended, is none of the callback's business.
        if self.callback not in getattr(kwargs.get("callbacks"), "callbacks", []):
            return evaluate(*args, **kwargs)
        with self.callback.during_validation(kwargs.get("x")):
            result = evaluate(*args, **kwargs)
        return {
            **result,
            **self.callback.on_validation(
                kwargs.get("x"), kwargs.get("y"), kwargs.get("batch_size"), kwargs.get("steps")
            ),
        }
