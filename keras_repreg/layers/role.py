"""A layer that was put where Keras calls a function of a tensor and adds what it returns to the loss.

Keras takes any callable as `activity_regularizer=` or `kernel_regularizer=`. A layer that returns its input would pass
for one, and the sum of the activations or weights would join the loss without a word.
"""

import sys
from typing import Any

import keras


def check_role(layer: keras.layers.Layer, inputs: Any) -> None:
    """That the layer, whose `__call__` this is called from, is called as a layer.

    Raises:
        TypeError: if it is an argument of another layer.
    """
    # Nothing that Keras hands on tells who calls. Where the caller cannot be seen, nothing is refused.
    try:
        caller: Any = sys._getframe(2).f_locals.get("self")
    except ValueError:  # none, at the beginning of a thread
        caller = None
    if isinstance(inputs, keras.Variable):
        role = f"it as a regularizer of the weights '{inputs.path}'"
    elif caller is not layer and getattr(caller, "activity_regularizer", None) is layer:
        role = f"it as `activity_regularizer` of layer '{caller.name}'"
    else:
        return
    raise TypeError(
        f"{type(layer).__name__} '{layer.name}' is a layer of its own, not an argument of another: add it behind the "
        f"layer whose activations it shall penalize. Received: {role}"
    )
