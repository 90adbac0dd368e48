"""Fold a BatchNormalization into the layer before or after it, to leave no operation between two affine layers."""

import warnings
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_repreg import graph
from keras_repreg.batches import peek
from keras_repreg.ion.conditions import batch_norm_map
from keras_repreg.ion.copying import copied
from keras_repreg.ion.draft import Draft
from keras_repreg.ion.finding import own_layer, search
from keras_repreg.ion.maps import Array, Kind
from keras_repreg.ion.parameters import FORWARD, Parameter, Row
from keras_repreg.ion.probing import SAMPLES
from keras_repreg.ion.rules import row_of

_ITSELF = Row(gives=(Parameter("gamma", -1, FORWARD),))
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)


def fold_batch_norm(
    model: keras.Model,
    layer: Any = None,
    *,
    data: Any = None,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Fold a BatchNormalization into the layer before or after it without changing the model's output at inference.

    At inference it computes s z + t. This is folded into the linear layer before it (Dense, convolution, depthwise,
    separable or transposed convolution) or, if there is none, into the layers that take its output. The
    BatchNormalization remains in the model without effect at inference; after a layer with `use_bias=False` it remains
    as the bias of that layer, z + t. The functions of `keras_repreg.ion` handle both cases. In further training its
    statistics start again.

    Args:
        model: A built Sequential or functional model.
        layer: The BatchNormalization, or its name. By default all that can be folded; a warning lists the others with
            the reasons.
        data: See `transform`.
        tolerance: See `transform`.
        copy: Rewrite a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: before any weight changes, if the layer is not a BatchNormalization over the last axis, s and t
            cannot be folded into the layers around it (an activation function, zero padding, further uses), or the
            weights would leave the range of their dtype.
        RuntimeError: if outputs changed by more than `tolerance`; the weights are restored.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, name="z"),
        ...     keras.layers.BatchNormalization(name="bn"), keras.layers.Dense(2),
        ... ])
        >>> model = keras_repreg.ion.fold_batch_norm(model, "bn")
        >>> model = keras_repreg.ion.orthogonal(model, "z", seed=0)
    """
    chosen = None if layer is None else own_layer(model, layer)
    links = graph.Graph(model)
    probe = None if data is None else peek(data, SAMPLES)[0]
    original = model
    if chosen is not None:
        fold(links, chosen, Draft())
    if copy:
        model = copied(model)
        links = graph.Graph(model)
    draft = Draft()
    if chosen is not None:
        fold(links, links.operations[chosen.name], draft)
    else:
        left = []
        for norm in [each for each in model.layers if type(each) is layers.BatchNormalization]:
            trial = draft.copy()
            try:
                fold(links, norm, trial)
            except ValueError as error:
                left.append(f"'{norm.name}': {error}")
            else:
                draft = trial
        if left:
            warnings.warn("Some BatchNormalization layers cannot be folded: " + "; ".join(left), stacklevel=2)
    draft.commit(model, original, probe=probe, tolerance=tolerance)
    return model


def fold(links: graph.Graph, norm: Any, draft: Draft) -> None:
    """Add the weights that fold a BatchNormalization to the draft.

    Raises:
        ValueError: if the folding is not exact.
    """
    if type(norm) is not layers.BatchNormalization:
        raise ValueError(f"Expected a BatchNormalization. Received: '{norm.name}' of type {type(norm).__name__}")
    if not norm.built:
        raise ValueError(f"Expected a built model: call it once on data. Received: layer '{norm.name}' without weights")
    if reason := row_of(norm).refuses(norm):
        raise ValueError(f"Expected a BatchNormalization over the last axis. Received: {reason}")
    if links.always_training(norm):
        raise ValueError(f"Expected a layer that is not called with training=True. Received: '{norm.name}'")
    if not links.used_once(norm):
        raise ValueError(f"Expected a layer that is used once. Received: shared layer '{norm.name}'")
    reasons = []
    for direction in (_into_what_is_before, _into_what_is_after):
        trial = draft.copy()
        try:
            direction(links, norm, trial)
        except ValueError as error:
            reasons.append(str(error))
        else:
            draft.take(trial)
            return
    raise ValueError(
        f"Expected '{norm.name}' after a linear layer, or before layers that can absorb its scale and shift. "
        f"Received: before it: {reasons[0]} After it: {reasons[1]}"
    )


def _into_what_is_before(links: graph.Graph, norm: Any, draft: Draft) -> None:
    before, moved = norm, []
    while sources := links.sources(before):
        before = sources[0]
        moved.append(before)
        if not graph.is_identity(before):
            break
    depthwise = type(before) in _DEPTHWISE
    row = row_of(before)
    reason = row.refuses(before)
    linear = getattr(before, "activation", None) is keras.activations.linear
    if reason or not (row.gives or depthwise) or not linear:
        raise ValueError(f"'{before.name}' of type {type(before).__name__} is not a linear layer. {reason}".rstrip())
    for each in moved:
        if len(links.consumers(each)) != 1 or links.is_output(each) or not links.used_once(each):
            raise ValueError(f"'{each.name}' is used by other layers than '{norm.name}'.")
        if links.always_training(each):
            raise ValueError(f"'{each.name}' is called with training=True.")
    draft.move(moved)
    scale, shift = batch_norm_map(norm)
    if depthwise:
        kernel = draft.value(before.kernel)
        scaled = (kernel.reshape(*kernel.shape[:-2], -1) * scale).reshape(kernel.shape)
        draft.set(before, before.kernel, scaled)
    else:
        parameter = row.gives[0]
        kernel = np.moveaxis(draft.value(parameter.of(before)), parameter.axis, -1)
        draft.set(before, parameter.of(before), np.moveaxis(kernel * scale, -1, parameter.axis))
    if before.use_bias:
        draft.set(before, before.bias, draft.value(before.bias) * scale + shift)
        shift = np.zeros_like(shift)
    _neutral(norm, draft, shift)


def _into_what_is_after(links: graph.Graph, norm: Any, draft: Draft) -> None:
    scale, shift = batch_norm_map(norm)
    site = search(links, norm, start=_ITSELF)
    if len(site.producers) > 1:
        raise ValueError(f"the output of '{norm.name}' is combined with others.")
    if reason := site.reason(Kind.AFFINE if shift.any() else Kind.LINEAR):
        raise ValueError(f"{reason}.")
    if shifted := [use.operation.name for use in site.passing if row_of(use.operation).moves]:
        raise ValueError(f"{shifted} would have to absorb the scale as well.")
    draft.move([norm, *(use.operation for use in site.passing)])
    for use in site.consumers:
        layer, row = use.operation, row_of(use.operation)
        parameter = row.takes[-1]
        variable, index = parameter.of(layer), parameter.index(layer, use.index)
        kernel = np.moveaxis(draft.value(variable), parameter.axis, 0).copy()
        block = kernel[index]
        if shift.any():
            added = np.tensordot(shift, block, axes=([0], [1]))
            bias = draft.value(layer.bias) + added.reshape(-1, added.shape[-1]).sum(axis=0)
            draft.set(layer, layer.bias, bias)
        kernel[index] = block * scale.reshape(1, -1, *[1] * (block.ndim - 2))
        draft.set(layer, variable, np.moveaxis(kernel, 0, parameter.axis))
    _neutral(norm, draft, np.zeros_like(shift))


def _neutral(norm: Any, draft: Draft, shift: Array) -> None:
    """Turn a BatchNormalization into one that only adds a shift."""
    units = len(shift)
    if norm.gamma is not None:
        draft.set(norm, norm.gamma, np.ones(units))
    if norm.beta is not None:
        draft.set(norm, norm.beta, shift)
    draft.set(norm, norm.moving_mean, np.zeros(units) if norm.beta is not None else -shift)
    draft.set(norm, norm.moving_variance, np.full(units, 1 - norm.epsilon))
