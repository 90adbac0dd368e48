"""Taking a BatchNormalization into the layer before it, so that nothing stands between two affine layers."""

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_repreg import graph
from keras_repreg.arrays import to_float64
from keras_repreg.ion.site import batch_norm_map, check_affine, own_layer
from keras_repreg.ion.surgery import copied


def fold_batch_norm(model: keras.Model, layer: Any, *, copy: bool = False) -> keras.Model:
    """Move what a BatchNormalization does at inference into the linear layer before it; the model's output stays.

    The BatchNormalization remains in the model without effect at inference (scale 1, shift 0), and is looked through
    by the functions of `keras_repreg.ion`. In further training it would start anew.

    Args:
        model: A built Sequential or functional model.
        layer: The BatchNormalization, or its name.
        copy: Leave the model as it is and rewrite a copy of it.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: before any weight changes, if the layer is no BatchNormalization over the last axis, or what comes
            before it is not a linear Dense or convolutional layer with a bias, whose output nothing else takes.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, name="z"),
        ...     keras.layers.BatchNormalization(name="bn"), keras.layers.Dense(2),
        ... ])
        >>> model = keras_repreg.ion.fold_batch_norm(model, "bn")
        >>> model = keras_repreg.ion.orthogonal(model, "z", seed=0)
    """
    norm = own_layer(model, layer)
    if type(norm) is not layers.BatchNormalization:
        raise ValueError(f"Expected a BatchNormalization. Received: '{norm.name}' of type {type(norm).__name__}")
    if norm.axis not in (-1, len(norm.input.shape) - 1):
        raise ValueError(f"Expected a BatchNormalization over the last axis. Received: axis={norm.axis}")
    links = graph.Graph(model)
    before = links.producer(norm)
    check_affine(before, f"what comes before '{norm.name}'")
    if not graph.is_linear(before):
        raise ValueError(f"Expected a linear layer before '{norm.name}'. Received: '{before.name}' with an activation")
    if links.always_training(norm):
        raise ValueError(f"Expected a layer that is not called with training=True. Received: '{norm.name}'")
    if not before.use_bias:
        raise ValueError(f"Expected a layer with a bias. Received: '{before.name}' with use_bias=False")
    alone = len(links.consumers(before)) == 1 and not links.is_output(before)
    if not (alone and links.used_once(before) and links.used_once(norm)):
        raise ValueError(f"Expected '{before.name}' to be used by '{norm.name}' alone. Received: further uses")
    if copy:
        return fold_batch_norm(copied(model), norm.name)
    scale, shift = batch_norm_map(norm)
    before.kernel.assign(to_float64(before.kernel) * scale)
    before.bias.assign(to_float64(before.bias) * scale + shift)
    units = before.kernel.shape[-1]
    if norm.gamma is not None:
        norm.gamma.assign(np.ones(units))
    if norm.beta is not None:
        norm.beta.assign(np.zeros(units))
    norm.moving_mean.assign(np.zeros(units))
    norm.moving_variance.assign(np.full(units, 1 - norm.epsilon))
    return model
