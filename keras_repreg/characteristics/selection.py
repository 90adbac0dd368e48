"""Which layers of a model are measured."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_repreg import graph


def with_names_of_their_own(layers: list[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The layers, which results are told apart by the names of.

    Raises:
        ValueError: if two have the same name, as layers of different models within the model can.
    """
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Expected layers of different names, chosen by `layers=` perhaps. Received: several {twice}")
    return layers


def select_layers(model: keras.Model, layers: Any = None) -> list[keras.layers.Layer]:
    """The layers meant by a layer, a name or a list of these; all hidden layers for None.

    Hidden is what computes something of its own, rather than holds, reshapes or passes on its input, and is no output.

    Raises:
        TypeError: if `model` is not a Keras model, or `layers` is an array.
        ValueError: if there is no such layer, there are no hidden layers, or two have the same name.
    """
    if hasattr(layers, "shape"):
        raise TypeError(
            "Expected `layers` to be a layer, a name or a list of these; targets go with the inputs, as `(x, y)`. "
            f"Received: an array of shape {tuple(layers.shape)}"
        )
    if layers is not None:
        wanted: Sequence[Any] = layers if isinstance(layers, (list, tuple)) else [layers]
        return with_names_of_their_own(list(dict.fromkeys(graph.find_layer(model, layer) for layer in wanted)))
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    links = graph.of(model)
    # Where there is no graph to tell, the layer that was made last is taken for the output.
    outputs = [links.source(layer) for layer in links.outputs()] if links else model.layers[-1:]
    hidden = [layer for layer in model.layers if graph.is_hidden(layer) and layer not in outputs]
    if not hidden:
        raise ValueError(f"Expected a model with hidden layers. Received: '{model.name}' with none")
    return hidden
