"""A callback's own values among those that validation reports.

Values written into `logs` in `on_epoch_end` are seen only by callbacks that come later. `fit` validates by calling
`model.evaluate` and hands what it returns to every callback; so that is where a value belongs.
"""

import contextlib
from typing import Any

import keras


class ValidationCallback(keras.callbacks.Callback):
    """Base class: what `on_validation` returns joins the `val_` logs of `fit`, for every callback to see."""

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        """Called after each validation of `fit`, with its data; returns values by name, without `val_`."""
        raise NotImplementedError(f"{type(self).__name__} must define `on_validation`.")

    def during_validation(self, x: Any) -> contextlib.AbstractContextManager[None]:
        """A context in which each validation of `fit`, on `x`, runs: for what is to be seen of it while it does."""
        return contextlib.nullcontext()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        for hook in _hooks(self.model):
            # The callbacks of one `fit` share their parameters: those of another are left over, an exception ended it.
            if hook.callback is not self and hook.callback.params is not self.params:
                _unhook(self.model, hook.callback)
        if not any(hook.callback is self for hook in _hooks(self.model)):
            self.model.evaluate = _Evaluate(self, self.model.evaluate)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        _unhook(self.model, self)


class _Evaluate:
    """`model.evaluate`, and within a `fit` that has the callback among its own also the callback's values."""

    def __init__(self, callback: ValidationCallback, original: Any):
        self.callback = callback
        self.original = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # `fit` passes its list of callbacks on. Any other call, and that of a later `fit` after one that an
        # exception ended, is none of the callback's business.
        if self.callback not in getattr(kwargs.get("callbacks"), "callbacks", []):
            return self.original(*args, **kwargs)
        with self.callback.during_validation(kwargs.get("x")):
            result = self.original(*args, **kwargs)
        return {
            **result,
            **self.callback.on_validation(
                kwargs.get("x"), kwargs.get("y"), kwargs.get("batch_size"), kwargs.get("steps")
            ),
        }


def _hooks(model: keras.Model) -> list[_Evaluate]:
    """The hooks on a model, outermost first."""
    found = []
    evaluate = model.evaluate
    while isinstance(evaluate, _Evaluate):
        found.append(evaluate)
        evaluate = evaluate.original
    return found


def _unhook(model: keras.Model, callback: ValidationCallback) -> None:
    """Take the hook of a callback off."""
    hooks = _hooks(model)
    for above, hook in zip([None, *hooks], hooks, strict=False):
        if hook.callback is not callback:
            continue
        if above is not None:
            above.original = hook.original
        elif getattr(hook.original, "__func__", None) is type(model).evaluate:
            del model.evaluate
        else:
            model.evaluate = hook.original
