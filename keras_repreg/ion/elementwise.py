"""Elementwise functions, and the maps that they commute with."""

import functools
from typing import Any

import keras
from keras import activations, layers

from keras_repreg.ion.maps import Kind
from keras_repreg.ion.parameters import Row

# Activation functions by the maps that they commute with. Softmax and similar functions also commute only with
# permutations.
HOMOGENEOUS = ("relu", "leaky_relu")
ELEMENTWISE = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid",
    "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "squareplus", "tanh", "tanh_shrink",
)  # fmt: skip
OVER_UNITS = ("softmax", "log_softmax", "sparsemax")


def _functions(names: tuple[str, ...]) -> list[Any]:
    return [getattr(activations, name) for name in names if hasattr(activations, name)]


def activation_kind(activation: Any) -> Kind | None:
    """Return the maps that an activation function commutes with, or None if unknown."""
    if activation in (None, activations.linear):
        return Kind.AFFINE
    if any(activation is function for function in _functions(HOMOGENEOUS)):
        return Kind.SCALING
    if any(activation is function for function in _functions(ELEMENTWISE + OVER_UNITS)):
        return Kind.PERMUTATION
    return None


def mixes_units(layer: Any, row: Row) -> bool:
    """Return whether the result for a unit depends on other units."""
    activation = getattr(layer, "activation", None)
    return row.mixes or any(activation is function for function in _functions(OVER_UNITS))


def own_activation(layer: Any) -> Kind:
    """Return the maps that a layer's activation function commutes with."""
    return activation_kind(layer.activation) or Kind.PERMUTATION


def unknown_activation(layer: Any) -> str:
    """Return why the maps that commute with a layer's activation function are unknown, or an empty string."""
    if activation_kind(getattr(layer, "activation", None)) is not None:
        return ""
    function = layer.activation
    return f"with activation {getattr(function, '__name__', type(function).__name__)!r}"


@functools.lru_cache(maxsize=1)
def operation_rows() -> dict[type, Row]:
    """Return rules for elementwise operations of `keras.ops` and operators on symbolic tensors."""
    start, any_order = keras.Input((1,)), Row(passes=lambda layer: Kind.PERMUTATION)
    functions = {
        keras.ops.add: any_order,
        keras.ops.subtract: any_order,
        keras.ops.multiply: any_order,
        keras.ops.divide: any_order,
        keras.ops.true_divide: any_order,
        keras.ops.maximum: any_order,
        keras.ops.minimum: any_order,
    }
    rows = {_operation(start, function(start, 1.0)): row for function, row in functions.items()}
    for name in (
        "tanh",
        "sigmoid",
        "silu",
        "gelu",
        "relu",
        "relu6",
        "elu",
        "selu",
        "softplus",
        "hard_sigmoid",
        "square",
    ):
        row = Row(passes=lambda layer: Kind.SCALING) if name == "relu" else any_order
        rows[_operation(start, getattr(keras.ops, name)(start))] = row
    return rows


def _operation(start: Any, tensor: Any) -> type:
    """Return the class of the operation between two symbolic tensors."""
    return next(type(each) for each in keras.Model(start, tensor).operations if not isinstance(each, layers.InputLayer))
