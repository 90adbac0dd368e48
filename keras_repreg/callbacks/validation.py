"""Add a callback's values to the results of validation.

Values written into `logs` in `on_epoch_end` are available only to later callbacks. `fit` validates by calling
`model.evaluate` and passes the result to every callback, so values are added there.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from keras_repreg import seam


class ValidationCallback(keras.callbacks.Callback):
    """Base class of callbacks whose `on_validation` returns values for the `val_` logs of `fit`, visible to all."""

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        """Called after each validation of `fit` with its data; return values by name, without `val_`."""
        raise NotImplementedError(f"{type(self).__name__} must define `on_validation`.")

    def during_validation(self, x: Any) -> contextlib.AbstractContextManager[None]:
        """Return a context in which each validation of `fit` on `x` runs, to collect values during it."""
        return contextlib.nullcontext()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        mine = False
        for hook in seam.around(self.model, "evaluate"):
            if isinstance(hook, _EvaluateWrapper):
                mine = mine or hook.callback is self
                # Callbacks of one `fit` share their parameters; others are left from a `fit` that raised an exception.
                if hook.callback is not self and hook.callback.params is not self.params:
                    hook.undo()
        if not mine:
            _EvaluateWrapper(self)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for hook in seam.around(self.model, "evaluate"):
            if isinstance(hook, _EvaluateWrapper) and hook.callback is self:
                hook.undo()


class _EvaluateWrapper:
    """Wraps `model.evaluate`, and adds the callback's values within a `fit` that the callback belongs to."""

    def __init__(self, callback: ValidationCallback):
        self.callback = callback
        self.undo = seam.replace_method(callback.model, "evaluate", self)

    def __call__(self, evaluate: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # `fit` passes its list of callbacks. Ignore any other call, and those of a later `fit` after one that raised an
        # exception.
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
