"""The masks of the time steps at which `keras.layers.TimeDistributed` calls its inner layer."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_repreg.seam import all_sublayers, replace_method


class StepMasks:
    """Follows the calls of `TimeDistributed` layers, which pass no mask to inner layers that do not take one."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        # The mask and the current time step of each active call, the innermost last.
        self._running: list[tuple[Any, int]] = []

    def of_step(self, mask: Any) -> Any:
        """Return the mask of the current time step, shape (samples,), or None outside of `TimeDistributed`.

        Args:
            mask: A mask of shape (samples, steps), or None for the mask that Keras passes to `TimeDistributed`.
        """
        if not self._running:
            return None
        own, step = self._running[-1]
        mask = own if mask is None else mask
        return None if mask is None or len(mask.shape) < 2 else mask[:, step]

    def around_call(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a `TimeDistributed` layer."""
        if threading.get_ident() != self._thread:
            return call(*args, **kwargs)
        self._running.append((kwargs.get("mask", args[2] if len(args) > 2 else None), -1))
        try:
            return call(*args, **kwargs)
        finally:
            self._running.pop()

    def around_step(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the inner layer at the next time step."""
        if self._running and threading.get_ident() == self._thread:
            mask, step = self._running.pop()
            self._running.append((mask, step + 1))
        return call(*args, **kwargs)


@contextlib.contextmanager
def followed(model: keras.Model) -> Iterator[StepMasks]:
    """Follow the `TimeDistributed` layers of a model within the context."""
    masks = StepMasks()
    with contextlib.ExitStack() as undo:
        for layer in all_sublayers(model):
            if isinstance(layer, keras.layers.TimeDistributed):
                undo.callback(replace_method(layer, "call", masks.around_call))
                undo.callback(replace_method(layer.layer, "call", masks.around_step))
        yield masks
