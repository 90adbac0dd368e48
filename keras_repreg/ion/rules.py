"""What commutes with each kind of layer, and how its parameters move: one row per kind.

A layer can do three things with units: compute them (`gives`), pass them on (`passes`), or take them into a product
(`takes`). A new kind of layer is a new row of `ROWS`.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import activations, layers

from keras_repreg import graph
from keras_repreg.arrays import to_float64
from keras_repreg.ion.maps import Kind
from keras_repreg.layers.base import RepresentationRegularization

# How a parameter moves along with units: as they do, with their order alone, or so that their product with it stays.
FORWARD, ORDER, INVERSE = "forward", "order", "inverse"


@dataclass(frozen=True)
class Parameter:
    """A parameter with an axis along which its entries belong to units.

    Attributes:
        name: The layer's attribute, or several joined by dots.
        axis: The axis.
        how: How it moves: FORWARD, ORDER or INVERSE.
        repeats: The layer's attribute that says how often each unit is repeated along the axis, one after another.
    """

    name: str
    axis: int
    how: str
    repeats: str = ""

    def of(self, layer: Any) -> Any:
        """The variable, or None if the layer goes without."""
        return functools.reduce(lambda part, name: getattr(part, name, None), self.name.split("."), layer)

    def index(self, layer: Any, index: Any) -> Any:
        """Where the units are along the axis."""
        return repeated(index, getattr(layer, self.repeats)) if self.repeats else index


@dataclass(frozen=True)
class Row:
    """What one kind of layer does with units.

    Attributes:
        passes: The most general kind of map that it commutes with, as a function of the layer, or None if it passes
            no units on.
        moves: Parameters that move with units that pass.
        mixes: Whether what becomes of a unit depends on others, so that none can be left out.
        gives: Parameters that move with the units that it computes.
        takes: Parameters that move with the units that it takes into a product.
        taken: The most general kind of map that these undo, as a function of the layer.
        bias: The bias that takes up m, for units that it takes.
        refuses: Why a layer of this kind is none that the row describes; empty if it is.
    """

    passes: Callable[[Any], Kind] | None = None
    moves: tuple[Parameter, ...] = ()
    mixes: bool = False
    gives: tuple[Parameter, ...] = ()
    takes: tuple[Parameter, ...] = ()
    taken: Callable[[Any], Kind] = field(default=lambda layer: Kind.LINEAR)
    bias: str = ""
    refuses: Callable[[Any], str] = field(default=lambda layer: "")


def repeated(index: Any, times: int) -> Any:
    """The index of units of which each is repeated `times` times, one after another."""
    return np.concatenate([index * times + i for i in range(times)])


def _constant(kind: Kind) -> Callable[[Any], Kind]:
    return lambda layer: kind


# Activation functions, by what they commute with. Softmax and its like commute with the order alone, too.
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
    """What an activation function commutes with, or None if that is not known."""
    if activation in (None, activations.linear):
        return Kind.AFFINE
    if any(activation is function for function in _functions(HOMOGENEOUS)):
        return Kind.SCALING
    if any(activation is function for function in _functions(ELEMENTWISE + OVER_UNITS)):
        return Kind.PERMUTATION
    return None


def mixes_units(layer: Any, row: Row) -> bool:
    """Whether what becomes of a unit depends on other units."""
    activation = getattr(layer, "activation", None)
    return row.mixes or any(activation is function for function in _functions(OVER_UNITS))


def _own_activation(layer: Any) -> Kind:
    return activation_kind(layer.activation) or Kind.PERMUTATION


def unknown_activation(layer: Any) -> str:
    """Why a layer's own activation function is none that is known here, empty if it is."""
    if activation_kind(getattr(layer, "activation", None)) is not None:
        return ""
    function = layer.activation
    return f"with activation {getattr(function, '__name__', type(function).__name__)!r}"


def _weights(layer: Any) -> str:
    """Why the weights of a layer are not what they seem."""
    if not layer.built:
        return "without weights: Expected a built model, so call it once on data"
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        return "quantized or with LoRA weights"
    if getattr(layer, "groups", 1) != 1 and not isinstance(layer, layers.GroupNormalization):
        return f"with {layer.groups} groups"
    return _channels(layer)


def _channels(layer: Any) -> str:
    return "with channels_first" if getattr(layer, "data_format", None) == "channels_first" else ""


def _relu(layer: Any) -> Kind:
    config = layer.get_config()
    return Kind.SCALING if config["max_value"] is None and not config["threshold"] else Kind.PERMUTATION


def batch_norm_map(layer: Any) -> tuple[Any, Any]:
    """(s, t) with which a BatchNormalization computes s x + t at inference."""

    def value(variable: Any, default: float) -> Any:
        return default if variable is None else to_float64(variable)

    scale = value(layer.gamma, 1.0) / np.sqrt(value(layer.moving_variance, 1.0) + layer.epsilon)
    return scale, value(layer.beta, 0.0) - scale * value(layer.moving_mean, 0.0)


def _batch_norm(layer: Any) -> Kind:
    # One that `fold_batch_norm` has left without a scale is a bias.
    return Kind.AFFINE if np.allclose(batch_norm_map(layer)[0], 1, rtol=0, atol=1e-6) else Kind.SCALING


def _over_last_axis(layer: Any) -> str:
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) and len(layer.axis) == 1 else layer.axis
    return "" if axis in (-1, len(layer.input.shape) - 1) else f"with axis={layer.axis}"


def _groups(layer: Any) -> str:
    width = layer.input.shape[-1]
    return _over_last_axis(layer) or ("" if layer.groups in (1, -1, width) else f"with {layer.groups} groups")


def _slopes(layer: Any) -> str:
    return "" if layer.built and layer.alpha.shape[-1] == layer.input.shape[-1] else "with slopes shared by units"


def _keeps_last(layer: Any) -> str:
    before, after = layer.input.shape[1:], layer.output.shape[1:]
    kept = before[-1] == after[-1] or (len(after) == 1 and None not in before)
    return "" if kept else f"from shape {tuple(before)} to {tuple(after)}"


def _flattened(layer: Any) -> str:
    return _channels(layer) or ("of an unknown number of positions" if None in layer.input.shape[1:] else "")


def _last_in_place(layer: Any) -> str:
    return "" if layer.dims[-1] == len(layer.dims) else f"with dims={layer.dims}"


def _scalars(layer: Any) -> str:
    return "" if np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0 else "with one scale per unit"


def _takes_shift(layer: Any) -> Kind:
    """A convolution that adds zeros around its input takes no shift: it would not reach the zeros."""
    return Kind.AFFINE if layer.use_bias and getattr(layer, "padding", "valid") == "valid" else Kind.LINEAR


def _bidirectional(layer: Any) -> str:
    return "" if type(layer.forward_layer) in _RECURRENT else f"around {type(layer.forward_layer).__name__}"


_RECURRENT = (layers.SimpleRNN, layers.GRU, layers.LSTM)
_KERNEL, _BIAS = Parameter("kernel", -1, FORWARD), Parameter("bias", -1, FORWARD)
_INPUT = Parameter("kernel", -2, INVERSE)
_AFFINE = Row(gives=(_KERNEL, _BIAS), takes=(_INPUT,), taken=_takes_shift, bias="bias", refuses=_weights)
_TRANSPOSED = Row(
    gives=(Parameter("kernel", -2, FORWARD), _BIAS), takes=(Parameter("kernel", -1, INVERSE),), refuses=_weights
)
_DEPTHWISE = Row(
    passes=lambda layer: min(Kind.SCALING, _own_activation(layer)),
    moves=(Parameter("kernel", -2, ORDER), Parameter("bias", -1, FORWARD, "depth_multiplier")),
    refuses=_weights,
)
_SEPARABLE = Row(
    gives=(Parameter("pointwise_kernel", -1, FORWARD), _BIAS),
    takes=(Parameter("depthwise_kernel", -2, ORDER), Parameter("pointwise_kernel", -2, INVERSE, "depth_multiplier")),
    taken=_constant(Kind.SCALING),
    refuses=_weights,
)
_ALIKE = Row(passes=_constant(Kind.AFFINE), refuses=_channels)
_MAXIMA = Row(passes=_constant(Kind.SCALING), refuses=_channels)
_ZEROS = Row(passes=_constant(Kind.LINEAR), refuses=_channels)
_ANY_ORDER = Row(passes=_constant(Kind.PERMUTATION))
_SUM = Row(passes=_constant(Kind.LINEAR))

ROWS: dict[type, Row] = {
    **dict.fromkeys((layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), _AFFINE),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _TRANSPOSED),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _SEPARABLE),
    layers.Embedding: Row(gives=(Parameter("embeddings", -1, FORWARD),), refuses=_weights),
    **dict.fromkeys(_RECURRENT, Row(takes=(Parameter("cell.kernel", 0, INVERSE),))),
    layers.Bidirectional: Row(
        takes=(Parameter("forward_layer.cell.kernel", 0, INVERSE), Parameter("backward_layer.cell.kernel", 0, INVERSE)),
        refuses=_bidirectional,
    ),
    layers.MultiHeadAttention: Row(
        gives=(Parameter("output_dense.kernel", -1, FORWARD), Parameter("output_dense.bias", -1, FORWARD)),
        takes=tuple(Parameter(f"{name}_dense.kernel", 0, INVERSE) for name in ("query", "key", "value")),
        refuses=_weights,
    ),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _DEPTHWISE),
    layers.BatchNormalization: Row(
        passes=_batch_norm,
        moves=(
            Parameter("gamma", -1, ORDER),
            Parameter("beta", -1, FORWARD),
            Parameter("moving_mean", -1, FORWARD),
            Parameter("moving_variance", -1, ORDER),
        ),
        refuses=_over_last_axis,
    ),
    layers.LayerNormalization: Row(
        passes=_constant(Kind.PERMUTATION),
        moves=(Parameter("gamma", -1, ORDER), Parameter("beta", -1, ORDER)),
        mixes=True,
        refuses=_over_last_axis,
    ),
    layers.GroupNormalization: Row(
        passes=_constant(Kind.PERMUTATION),
        moves=(Parameter("gamma", -1, ORDER), Parameter("beta", -1, ORDER)),
        mixes=True,
        refuses=_groups,
    ),
    layers.UnitNormalization: Row(passes=_constant(Kind.PERMUTATION), mixes=True, refuses=_over_last_axis),
    **dict.fromkeys(
        (
            layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D,
            layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D,
            layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D,
            layers.Cropping1D, layers.Cropping2D, layers.Cropping3D,
        ),
        _ALIKE,
    ),
    **dict.fromkeys(
        (
            layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D,
            layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D,
        ),
        _MAXIMA,
    ),
    **dict.fromkeys((layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D), _ZEROS),
    layers.Activation: Row(passes=_own_activation, refuses=unknown_activation),
    layers.ReLU: Row(passes=_relu),
    layers.LeakyReLU: Row(passes=_constant(Kind.SCALING)),
    layers.ELU: _ANY_ORDER,
    layers.PReLU: Row(passes=_constant(Kind.SCALING), moves=(Parameter("alpha", -1, ORDER),), refuses=_slopes),
    layers.Softmax: Row(passes=_constant(Kind.PERMUTATION), mixes=True, refuses=_over_last_axis),
    layers.Rescaling: Row(passes=_constant(Kind.PERMUTATION), refuses=_scalars),
    layers.Flatten: Row(passes=_constant(Kind.AFFINE), refuses=_flattened),
    layers.Reshape: Row(passes=_constant(Kind.AFFINE), refuses=_keeps_last),
    layers.Permute: Row(passes=_constant(Kind.AFFINE), refuses=_last_in_place),
    layers.RepeatVector: _ALIKE,
    **dict.fromkeys((layers.Add, layers.Subtract, layers.Average), _SUM),
    **dict.fromkeys((layers.Maximum, layers.Minimum), Row(passes=_constant(Kind.SCALING))),
    layers.Multiply: _ANY_ORDER,
    layers.Concatenate: Row(passes=_constant(Kind.AFFINE)),
}  # fmt: skip
if hasattr(layers, "RMSNormalization"):
    ROWS[layers.RMSNormalization] = Row(
        passes=_constant(Kind.PERMUTATION),
        moves=(Parameter("scale", -1, ORDER),),
        mixes=True,
        refuses=_over_last_axis,
    )


@functools.lru_cache(maxsize=1)
def _operation_rows() -> dict[type, Row]:
    """Rows for what `keras.ops` and operators do to symbolic tensors, element by element."""
    start = keras.Input((1,))
    functions = {
        keras.ops.add: _ANY_ORDER,
        keras.ops.subtract: _ANY_ORDER,
        keras.ops.multiply: _ANY_ORDER,
        keras.ops.divide: _ANY_ORDER,
        keras.ops.true_divide: _ANY_ORDER,
        keras.ops.maximum: _ANY_ORDER,
        keras.ops.minimum: _ANY_ORDER,
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
        row = Row(passes=_constant(Kind.SCALING)) if name == "relu" else _ANY_ORDER
        rows[_operation(start, getattr(keras.ops, name)(start))] = row
    return rows


def _operation(start: Any, tensor: Any) -> type:
    """The class of the operation between two symbolic tensors."""
    return next(type(each) for each in keras.Model(start, tensor).operations if not isinstance(each, layers.InputLayer))


_IDENTITY = Row(passes=_constant(Kind.AFFINE))
_UNKNOWN = Row(refuses=lambda layer: "which no rule of `keras_repreg.ion` describes")


def row_of(operation: Any) -> Row:
    """The row of an operation. A subclass of a layer may do something else: it has none, unless it passes all on."""
    if graph.is_identity(operation) or isinstance(operation, RepresentationRegularization):
        return _IDENTITY
    row = ROWS.get(type(operation))
    if row is None and not isinstance(operation, keras.layers.Layer):
        row = _operation_rows().get(type(operation))
    return row or _UNKNOWN


def positions(operation: Any) -> int:
    """How many positions of each unit a Flatten or Reshape puts side by side."""
    before, after = operation.input.shape[1:], operation.output.shape[1:]
    return 1 if before[-1] == after[-1] and len(after) > 1 else math.prod(before[:-1])
