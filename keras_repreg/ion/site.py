"""Where a representation can be transformed: the layer, what stands behind it, and the layer that undoes the change.

Theorems 1 and 2 need two affine layers, the second of which alone takes the output of the first. Whatever commutes with
the transformation may stand between.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_repreg import graph
from keras_repreg.arrays import to_float64

_AFFINE = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
# Averages commute with any affine map of the units, maxima with positive factors and permutations only.
_AVERAGES = (
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
)
_MAXIMA = (
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
)


@dataclass(frozen=True)
class Site:
    """Two affine layers, the second of which takes the output of the first.

    Attributes:
        layer: The Dense or convolutional layer whose representation can be transformed.
        consumer: The Dense or convolutional layer that undoes the transformation.
        positions: How many positions of the representation a Flatten between has laid side by side.
        nonlinear: What stands between that commutes only with permuted positive diagonals, such as ReLU (Theorem 2);
            empty for a linear layer (Theorem 1).
    """

    layer: Any
    consumer: Any
    positions: int = 1
    nonlinear: str = ""


def find_site(model: keras.Model, layer: Any) -> Site:
    """The layer with its consumer.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: if one of them is not a plain Dense or convolutional layer, something stands between that does not
            commute with the transformation, a layer is used more than once, or the output is used elsewhere or is an
            output of the model.
    """
    layer = own_layer(model, layer)
    check_affine(layer, "the layer to transform")
    if not graph.is_linear(layer) and not is_relu(layer):
        raise ValueError(
            "Expected a linear layer (Theorem 1) or one with ReLU (Theorem 2). "
            f"Received: layer '{layer.name}' with activation {_name(layer.activation)!r}"
        )
    nonlinear = f"the ReLU of layer '{layer.name}'" if is_relu(layer) else ""
    links = graph.Graph(model)
    positions = 1
    current = layer
    while True:
        current = _only_consumer(links, current, layer)
        if type(current) in _AFFINE:
            break
        if links.always_training(current):
            raise ValueError(
                f"Expected layers that do at inference what they are made for. Received: '{current.name}', which is "
                "called with training=True"
            )
        if getattr(current, "data_format", "channels_last") != "channels_last":
            raise ValueError(f"Expected units to be the last axis. Received: '{current.name}' with channels_first")
        if type(current) is layers.Flatten:
            positions = _positions(current)
        elif is_relu(current) or type(current) in _MAXIMA:
            nonlinear = nonlinear or f"layer '{current.name}' of type {type(current).__name__}"
        elif not (graph.is_identity(current) or _is_identity_batch_norm(current) or type(current) in _AVERAGES):
            hint = "; ion.fold_batch_norm can take it out" if type(current) is layers.BatchNormalization else ""
            raise ValueError(
                f"Expected a Dense or convolutional layer to take the output of '{layer.name}', with nothing between "
                "that does not commute with the transformation. "
                f"Received: '{current.name}' of type {type(current).__name__}{hint}"
            )
    check_affine(current, f"what takes the output of '{layer.name}'")
    _check_used_once(links, current)
    return Site(layer, current, positions, nonlinear)


def own_layer(model: keras.Model, layer: Any) -> Any:
    """The layer, from the layer or its name, which must be one of the model's own.

    Raises:
        TypeError, ValueError: see `graph.find_layer`; ValueError if it belongs to a model within the model.
    """
    layer = graph.find_layer(model, layer)
    if not any(candidate is layer for candidate in model.layers):
        raise ValueError(
            f"Expected a layer of the model itself; to rewrite a model within '{model.name}', pass that model. "
            f"Received: layer '{layer.name}'"
        )
    return layer


def _only_consumer(links: graph.Graph, operation: Any, layer: Any) -> Any:
    """The one operation that takes the output of another, on the way from the layer to its consumer."""
    _check_used_once(links, operation)
    if links.is_output(operation):
        raise ValueError(
            f"Expected a hidden layer, whose output another layer takes. Received: layer '{layer.name}', whose "
            "output is an output of the model"
        )
    found = links.consumers(operation)
    if len(found) != 1:
        raise ValueError(
            f"Expected exactly one layer to take the output of '{layer.name}'. "
            f"Received: {[consumer.name for consumer in found]}"
        )
    return found[0]


def _check_used_once(links: graph.Graph, operation: Any) -> None:
    if not links.used_once(operation):
        raise ValueError(
            "Expected layers that are used once, or what is changed for one use is changed for the others. "
            f"Received: shared layer '{operation.name}'"
        )


def is_relu(layer: Any) -> bool:
    """Whether the layer's output is max(x, 0) of what it computes."""
    if type(layer) is layers.ReLU:
        config = layer.get_config()
        return config["max_value"] is None and not config["negative_slope"] and not config["threshold"]
    plain = type(layer) in (*_AFFINE, layers.Activation)
    return plain and layer.activation is keras.activations.relu


def _is_identity_batch_norm(layer: Any) -> bool:
    """Whether it is a BatchNormalization that `fold_batch_norm` has left without effect."""
    if type(layer) is not layers.BatchNormalization:
        return False
    scale, shift = batch_norm_map(layer)
    return bool(np.allclose(scale, 1, atol=1e-6) and np.allclose(shift, 0, atol=1e-6))


def batch_norm_map(layer: Any) -> tuple[Any, Any]:
    """(s, t) with which a BatchNormalization computes s x + t at inference."""

    def value(variable: Any, default: float) -> Any:
        return default if variable is None else to_float64(variable)

    scale = value(layer.gamma, 1.0) / np.sqrt(value(layer.moving_variance, 1.0) + layer.epsilon)
    return scale, value(layer.beta, 0.0) - scale * value(layer.moving_mean, 0.0)


def _positions(flatten: Any) -> int:
    return math.prod(flatten.input.shape[1:-1])


def check_affine(layer: Any, role: str) -> None:
    """That it is a built Dense or convolutional layer with plain weights and channels last, or a ValueError."""
    # A subclass may compute something else from the same weights.
    if type(layer) not in _AFFINE:
        raise ValueError(
            f"Expected {role} to be a Dense or convolutional layer. "
            f"Received: '{layer.name}' of type {type(layer).__name__}"
        )
    if not layer.built:
        raise ValueError(
            f"Expected a built model: call it once on data. Received: layer '{layer.name}' without weights"
        )
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        raise ValueError(f"Expected plain weights. Received: layer '{layer.name}', quantized or with LoRA weights")
    if getattr(layer, "groups", 1) != 1:
        raise ValueError(f"Expected a convolution of one group. Received: '{layer.name}' with {layer.groups} groups")
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"Expected channels to be the last axis. Received: '{layer.name}' with channels_first")


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)
