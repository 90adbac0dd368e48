"""The table of rules: the maps that each kind of layer commutes with, and how its parameters move.

A layer can compute units (`gives`), pass them on (`passes`), or take them as the input of a product (`takes`). To
support a new kind of layer, add a row to `ROWS`.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keras_repreg import graph
from keras_repreg.ion import conditions
from keras_repreg.ion.elementwise import operation_rows, own_activation, unknown_activation
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.parameters import FORWARD, INVERSE, ORDER, Parameter, Row
from keras_repreg.layers.base import RepresentationRegularization


def _constant(kind: Kind) -> Callable[[Any], Kind]:
    return lambda layer: kind


_KERNEL, _BIAS = Parameter("kernel", -1, FORWARD), Parameter("bias", -1, FORWARD)
_INPUT = Parameter("kernel", -2, INVERSE)
_AFFINE = Row(
    gives=(_KERNEL, _BIAS), takes=(_INPUT,), taken=conditions.shift_kind, bias="bias", refuses=conditions.weights
)
_TRANSPOSED = Row(
    gives=(Parameter("kernel", -2, FORWARD), _BIAS),
    takes=(Parameter("kernel", -1, INVERSE),),
    refuses=conditions.weights,
)
_DEPTHWISE = Row(
    passes=lambda layer: min(Kind.SCALING, own_activation(layer)),
    moves=(Parameter("kernel", -2, ORDER), Parameter("bias", -1, FORWARD, "depth_multiplier")),
    refuses=conditions.weights,
)
_SEPARABLE = Row(
    gives=(Parameter("pointwise_kernel", -1, FORWARD), _BIAS),
    takes=(Parameter("depthwise_kernel", -2, ORDER), Parameter("pointwise_kernel", -2, INVERSE, "depth_multiplier")),
    taken=_constant(Kind.SCALING),
    refuses=conditions.weights,
)
_ALIKE = Row(passes=_constant(Kind.AFFINE), refuses=conditions.channels)
_MAXIMA = Row(passes=_constant(Kind.SCALING), refuses=conditions.channels)
_ZEROS = Row(passes=_constant(Kind.LINEAR), refuses=conditions.channels)
_ANY_ORDER = Row(passes=_constant(Kind.PERMUTATION))
_SUM = Row(passes=_constant(Kind.LINEAR))

ROWS: dict[type, Row] = {
    **dict.fromkeys((layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), _AFFINE),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _TRANSPOSED),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _SEPARABLE),
    layers.Embedding: Row(gives=(Parameter("embeddings", -1, FORWARD),), refuses=conditions.weights),
    **dict.fromkeys(conditions.RECURRENT, Row(takes=(Parameter("cell.kernel", 0, INVERSE),))),
    layers.Bidirectional: Row(
        takes=(Parameter("forward_layer.cell.kernel", 0, INVERSE), Parameter("backward_layer.cell.kernel", 0, INVERSE)),
        refuses=conditions.bidirectional,
    ),
    layers.MultiHeadAttention: Row(
        gives=(Parameter("output_dense.kernel", -1, FORWARD), Parameter("output_dense.bias", -1, FORWARD)),
        takes=tuple(Parameter(f"{name}_dense.kernel", 0, INVERSE) for name in ("query", "key", "value")),
        refuses=conditions.weights,
    ),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _DEPTHWISE),
    layers.BatchNormalization: Row(
        passes=conditions.batch_norm_kind,
        moves=(
            Parameter("gamma", -1, ORDER),
            Parameter("beta", -1, FORWARD),
            Parameter("moving_mean", -1, FORWARD),
            Parameter("moving_variance", -1, ORDER),
        ),
        refuses=conditions.over_last_axis,
    ),
    layers.LayerNormalization: Row(
        passes=_constant(Kind.PERMUTATION),
        moves=(Parameter("gamma", -1, ORDER), Parameter("beta", -1, ORDER)),
        mixes=True,
        refuses=conditions.over_last_axis,
    ),
    layers.GroupNormalization: Row(
        passes=_constant(Kind.PERMUTATION),
        moves=(Parameter("gamma", -1, ORDER), Parameter("beta", -1, ORDER)),
        mixes=True,
        refuses=conditions.groups,
    ),
    layers.UnitNormalization: Row(passes=_constant(Kind.PERMUTATION), mixes=True, refuses=conditions.over_last_axis),
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
    layers.Activation: Row(passes=own_activation, refuses=unknown_activation),
    layers.ReLU: Row(passes=conditions.relu_kind),
    layers.LeakyReLU: Row(passes=_constant(Kind.SCALING)),
    layers.ELU: _ANY_ORDER,
    layers.PReLU: Row(
        passes=_constant(Kind.SCALING), moves=(Parameter("alpha", -1, ORDER),), refuses=conditions.slopes
    ),
    layers.Softmax: Row(passes=_constant(Kind.PERMUTATION), mixes=True, refuses=conditions.over_last_axis),
    layers.Rescaling: Row(passes=_constant(Kind.PERMUTATION), refuses=conditions.scalars),
    layers.Flatten: Row(passes=_constant(Kind.AFFINE), refuses=conditions.flattened),
    layers.Reshape: Row(passes=_constant(Kind.AFFINE), refuses=conditions.keeps_last),
    layers.Permute: Row(passes=_constant(Kind.AFFINE), refuses=conditions.last_in_place),
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
        refuses=conditions.over_last_axis,
    )


_IDENTITY = Row(passes=_constant(Kind.AFFINE))
_UNKNOWN = Row(refuses=lambda layer: "which `keras_repreg.ion` has no rule for")


def row_of(operation: Any) -> Row:
    """Return the rule of an operation. Subclasses have none, as they may differ, unless they are identities."""
    if graph.is_identity(operation) or isinstance(operation, RepresentationRegularization):
        return _IDENTITY
    row = ROWS.get(type(operation))
    if row is None and not isinstance(operation, keras.layers.Layer):
        row = operation_rows().get(type(operation))
    return row or _UNKNOWN


def positions(operation: Any) -> int:
    """Return the number of positions of each unit that a Flatten or Reshape concatenates."""
    before, after = operation.input.shape[1:], operation.output.shape[1:]
    return 1 if before[-1] == after[-1] and len(after) > 1 else math.prod(before[:-1])
