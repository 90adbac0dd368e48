"""The penalties of a training or evaluation step, layer by layer, for whoever wants to log them; and the last ones.

The layers report to a scope that the step opens. It belongs to one thread, as the label scope does, since
`tf.distribute.MirroredStrategy` runs the step of each replica in a thread of its own. Prediction opens none.
"""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

Tensor = Any

_scope = threading.local()
_last: weakref.WeakKeyDictionary[Any, Tensor] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Collect what layers that are called inside add to the loss."""
    outer = getattr(_scope, "penalties", None)
    _scope.penalties = {}
    try:
        yield
    finally:
        _scope.penalties = outer


def record(layer: Any, penalty: Tensor) -> None:
    """Called by a layer with each scalar that it adds to the loss; without a scope it does nothing."""
    penalties = getattr(_scope, "penalties", None)
    if penalties is not None:
        before = penalties.get(id(layer))
        penalty = ops.stop_gradient(penalty)
        penalties[id(layer)] = penalty if before is None else before + penalty


def take(layer: Any) -> Tensor | None:
    """The sum of a layer's penalties since the scope was entered or they were last taken; None if there are none."""
    return (getattr(_scope, "penalties", None) or {}).pop(id(layer), None)


def outliving(layer: Any, penalty: Tensor) -> Tensor:
    """The penalty, which lives on until the layer has its next one.

    On JAX Keras knows a layer's losses by `id()`, and at the layer's next call takes away from the losses of the step
    those whose id it has seen. Were the last penalty gone by then, another layer's could have come by its id, and
    would silently be lost: measured, in one step of a hundred of a model with two penalties that is not compiled.
    """
    if keras.backend.backend() == "jax":
        _last[layer] = penalty
    return penalty
