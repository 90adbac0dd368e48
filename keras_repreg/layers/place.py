"""Refuse positions where Keras would not add a penalty exactly once per batch."""

from typing import Any

import keras

from keras_repreg.seam import all_sublayers


def check_place(layer: keras.layers.Layer, outermost: keras.layers.Layer) -> None:
    """Check where the layer is used within the outermost layer of the current call.

    Raises:
        TypeError: if it is the `activity_regularizer` of a layer. Keras takes any callable there, and a layer that
            returns its input would add the sum of the activations to the loss.
        ValueError: if it is called in the loop of an RNN, from which no loss can be collected.
    """
    for other in [outermost, *all_sublayers(outermost)]:
        if other is layer:
            continue
        if getattr(other, "activity_regularizer", None) is layer:
            raise _expected(layer, TypeError, f"it as `activity_regularizer` of layer '{other.name}'")
        if isinstance(other, keras.layers.RNN) and not other.unroll:
            cells = other.cell if isinstance(other.cell, (list, tuple)) else [other.cell]
            if any(inner is layer for cell in cells for inner in [cell, *all_sublayers(cell)]):
                received = f"it in a cell of '{other.name}', which runs in a loop; `unroll=True` avoids the loop"
                raise _expected(layer, ValueError, received)


def _expected(layer: keras.layers.Layer, kind: type[Exception], received: str) -> Any:
    return kind(
        f"Expected {type(layer).__name__} '{layer.name}' as a separate layer, after the layer whose activations it "
        f"penalizes. Received: {received}"
    )
