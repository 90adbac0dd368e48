"""What stands before and after a layer, read from Keras's public attributes.

A Sequential is the order of its layers. A functional model is a graph of operations whose `input` and `output`
hold the very same symbolic tensors, so that identity links them.
"""

from typing import Any

import keras

from keras_repreg.layers.base import RepresentationRegularization

# Layers that pass their input on unchanged at inference.
_IDENTITIES = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    RepresentationRegularization,
)
_RESHAPES = (keras.layers.Flatten, keras.layers.Permute, keras.layers.RepeatVector, keras.layers.Reshape)


def is_linear(layer: Any) -> bool:
    """Whether the layer's own activation function is the identity."""
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def is_identity(layer: Any) -> bool:
    """Whether the layer passes its input on unchanged at inference."""
    if isinstance(layer, keras.layers.Activation):
        return is_linear(layer)
    return isinstance(layer, _IDENTITIES)


def is_hidden(layer: Any) -> bool:
    """Whether the layer computes something of its own, rather than holding, reshaping or passing on its input."""
    return not (isinstance(layer, (keras.layers.InputLayer, *_RESHAPES)) or is_identity(layer))


def find_layer(model: keras.Model, layer: Any) -> keras.layers.Layer:
    """The layer itself, from the layer or its name.

    Raises:
        TypeError: if `model` is not a Keras model, or `layer` neither a layer nor a string.
        ValueError: if the model has no such layer.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    if not isinstance(layer, (str, keras.layers.Layer)):
        raise TypeError(f"Expected `layer` to be a layer of the model or its name. Received: {layer!r}")
    for candidate in model.layers:
        if candidate is layer or candidate.name == layer:
            return candidate
    names = [candidate.name for candidate in model.layers]
    received = layer if isinstance(layer, str) else layer.name
    raise ValueError(f"Expected a layer of model '{model.name}', whose layers are {names}. Received: {received!r}")


def operations(model: keras.Model) -> list[Any] | None:
    """The model's operations from input to output, or None for a subclassed model, which has no graph."""
    if isinstance(model, keras.Sequential):
        return list(model.layers)
    return list(model.operations) if hasattr(model, "operations") else None


def _tensors(operation: Any, which: str) -> list[Any] | None:
    try:
        return keras.tree.flatten(getattr(operation, which))
    except (AttributeError, ValueError):  # never called, or called more than once
        return None


def consumers(model: keras.Model, layer: Any) -> list[Any]:
    """The operations that take the layer's output.

    Raises:
        ValueError: if that cannot be told: the model is subclassed, or the layer or a possible consumer is used
            more than once.
    """
    graph = operations(model)
    if graph is None:
        raise ValueError(
            "Expected a Sequential or functional model: what a subclassed model does with a layer's output cannot "
            f"be told. Received: {type(model).__name__} '{model.name}'"
        )
    if isinstance(model, keras.Sequential):
        position = graph.index(layer)
        return graph[position + 1 : position + 2]
    outputs = _tensors(layer, "output")
    if outputs is None:
        raise ValueError(f"Expected a layer that is used once. Received: layer '{layer.name}' with several outputs")
    found = []
    for operation in graph:
        inputs = _tensors(operation, "input")
        if inputs is None and not isinstance(operation, keras.layers.InputLayer):
            raise ValueError(
                f"Expected every layer of the model to be used once, or it cannot be told what takes the output of "
                f"'{layer.name}'. Received: shared layer '{operation.name}'"
            )
        if any(tensor is output for tensor in inputs or [] for output in outputs):
            found.append(operation)
    return found


def is_output(model: keras.Model, layer: Any) -> bool:
    """Whether the layer's output is an output of the model."""
    if isinstance(model, keras.Sequential):
        return model.layers[-1] is layer
    outputs = _tensors(layer, "output") or []
    return any(tensor is output for tensor in keras.tree.flatten(model.outputs) for output in outputs)


def producer(model: keras.Model, layer: Any) -> Any | None:
    """The operation whose output is the first input of the layer, or None if that cannot be told."""
    graph = operations(model) or []
    if isinstance(model, keras.Sequential):
        position = graph.index(layer)
        return graph[position - 1] if position else None
    inputs = _tensors(layer, "input")
    if not inputs:
        return None
    for operation in graph:
        if operation is not layer and any(output is inputs[0] for output in _tensors(operation, "output") or []):
            return operation
    return None


def source(model: keras.Model, layer: Any) -> Any:
    """The layer that computes what an identity layer passes on; any other layer is its own source."""
    while is_identity(layer) and (before := producer(model, layer)) is not None:
        if not is_hidden(before) and not is_identity(before):
            break
        layer = before
    return layer
