"""The kernel that L1W and L2W penalize: that of the layer that made a tensor."""

import math
from typing import Any

import keras

from keras_repreg.graph import Graph


def kernel_layer(x: Any) -> keras.layers.Layer:
    """The layer whose kernel made the symbolic tensor `x`.

    Operations of one input that have no kernel, such as activations, normalizations, dropout and pooling, are looked
    through.

    Raises:
        ValueError: if there is no such layer, its kernel is not a variable, or has a regularizer already.
    """
    try:
        links = Graph(keras.Model(keras.utils.get_source_inputs(x), x, name="until_here"))
    except ValueError as error:
        raise ValueError(
            "Expected a tensor of which the layers before it can be read, as L1W and L2W need the kernel that made it; "
            f"`names` without these two needs none. {error}"
        ) from error
    (operation,) = links.outputs()
    while not hasattr(operation, "kernel"):
        before = links.producer(operation)
        if before is operation or not isinstance(operation.input, keras.KerasTensor):
            raise ValueError(
                "Expected the output of a layer with a kernel, such as Dense, for L1W and L2W to penalize; `names` "
                f"without these two needs none. Received: the output of '{operation.name}', which has none"
            )
        operation = before
    if not isinstance(operation.kernel, keras.Variable):
        raise ValueError(
            "Expected the kernel that L1W and L2W penalize to be a variable. "
            f"Received: layer '{operation.name}' with a kernel of type {type(operation.kernel).__name__}"
        )
    if operation.kernel.regularizer is not None:
        raise ValueError(
            "Expected a layer without a `kernel_regularizer`, as L1W and L2W are one; `names` without these two "
            f"leaves it as it is. Received: layer '{operation.name}' with {operation.kernel.regularizer!r}"
        )
    return operation


def penalize_kernel(layer: keras.layers.Layer, weights: dict[str, float]) -> None:
    """Add `weights["L1W"]` times the mean of abs(w), and `weights["L2W"]` times that of w^2, over the kernel."""
    size = math.prod(layer.kernel.shape)
    l1, l2 = (weights.get(name, 0.0) / size for name in ("L1W", "L2W"))
    norm = keras.regularizers.L1L2(l1, l2) if len(weights) > 1 else keras.regularizers.L1(l1)
    norm = keras.regularizers.L2(l2) if "L1W" not in weights else norm
    # The variable's is the one that counts from now on, the layer's the one that is saved.
    layer.kernel.regularizer = layer.kernel_regularizer = norm
