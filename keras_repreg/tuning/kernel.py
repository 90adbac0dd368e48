"""Find and penalize the kernel for L1W and L2W: that of the layer that computes a tensor."""

import math
from typing import Any

import keras

from keras_repreg.graph import Graph


def kernel_layer(x: Any) -> keras.layers.Layer:
    """Return the layer with a kernel that computes the symbolic tensor `x`.

    Operations with one input and no kernel, such as activations, normalizations, dropout and pooling, are skipped.

    Raises:
        ValueError: if there is no such layer, or its kernel is not a variable or already has a regularizer.
    """
    try:
        links = Graph(keras.Model(keras.utils.get_source_inputs(x), x, name="until_here"))
    except ValueError as error:
        raise ValueError(
            "Expected a tensor whose preceding layers are known, because L1W and L2W penalize their kernel. Otherwise "
            f"pass `names` without these two. {error}"
        ) from error
    (operation,) = links.outputs()
    while not hasattr(operation, "kernel"):
        before = links.producer(operation)
        if before is operation or not isinstance(operation.input, keras.KerasTensor):
            raise ValueError(
                "Expected the output of a layer with a kernel, such as Dense, for L1W and L2W to penalize. Otherwise "
                f"pass `names` without these two. Received: the output of '{operation.name}', which has no kernel"
            )
        operation = before
    if not isinstance(operation.kernel, keras.Variable):
        raise ValueError(
            "Expected the kernel that L1W and L2W penalize to be a variable. "
            f"Received: layer '{operation.name}' with a kernel of type {type(operation.kernel).__name__}"
        )
    if operation.kernel.regularizer is not None:
        raise ValueError(
            "Expected a layer without a `kernel_regularizer`, because L1W and L2W set it. Otherwise pass `names` "
            f"without these two. Received: layer '{operation.name}' with {operation.kernel.regularizer!r}"
        )
    return operation


def penalize_kernel(layer: keras.layers.Layer, weights: dict[str, float]) -> None:
    """Add `weights["L1W"]` times the mean of abs(w) and `weights["L2W"]` times the mean of w^2 over the kernel."""
    size = math.prod(layer.kernel.shape)
    l1, l2 = (weights.get(name, 0.0) / size for name in ("L1W", "L2W"))
    norm = keras.regularizers.L1L2(l1, l2) if len(weights) > 1 else keras.regularizers.L1(l1)
    norm = keras.regularizers.L2(l2) if "L1W" not in weights else norm
    # The regularizer of the variable takes effect; that of the layer is saved.
    layer.kernel.regularizer = layer.kernel_regularizer = norm
