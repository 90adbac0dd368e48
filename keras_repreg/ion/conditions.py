"""Conditions under which a layer's rule applies, and the maps that its settings allow."""

from typing import Any

import numpy as np
from keras import layers

from keras_repreg.arrays import to_float64
from keras_repreg.ion.maps import Kind

RECURRENT = (layers.SimpleRNN, layers.GRU, layers.LSTM)


def weights(layer: Any) -> str:
    """Return why the rule does not apply to the weights of a layer, or an empty string."""
    if not layer.built:
        return "without weights: Expected a built model, so call it once on data"
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        return "quantized or with LoRA weights"
    if getattr(layer, "groups", 1) != 1 and not isinstance(layer, layers.GroupNormalization):
        return f"with {layer.groups} groups"
    return channels(layer)


def channels(layer: Any) -> str:
    """Return why units are not along the last axis."""
    return "with channels_first" if getattr(layer, "data_format", None) == "channels_first" else ""


def relu_kind(layer: Any) -> Kind:
    """Return the kind for ReLU: with a maximum or a threshold it does not commute with factors."""
    config = layer.get_config()
    return Kind.SCALING if config["max_value"] is None and not config["threshold"] else Kind.PERMUTATION


def batch_norm_map(layer: Any) -> tuple[Any, Any]:
    """Return (s, t), with which a BatchNormalization computes s x + t at inference."""

    def value(variable: Any, default: float) -> Any:
        return default if variable is None else to_float64(variable)

    scale = value(layer.gamma, 1.0) / np.sqrt(value(layer.moving_variance, 1.0) + layer.epsilon)
    return scale, value(layer.beta, 0.0) - scale * value(layer.moving_mean, 0.0)


def batch_norm_kind(layer: Any) -> Kind:
    """Return the kind for BatchNormalization: one that `fold_batch_norm` has left without a scale is a bias."""
    return Kind.AFFINE if np.allclose(batch_norm_map(layer)[0], 1, rtol=0, atol=1e-6) else Kind.SCALING


def over_last_axis(layer: Any) -> str:
    """Return why the layer does not normalize over units."""
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) and len(layer.axis) == 1 else layer.axis
    return "" if axis in (-1, len(layer.input.shape) - 1) else f"with axis={layer.axis}"


def groups(layer: Any) -> str:
    """Return why the order of units matters: some, but not all, are normalized together."""
    width = layer.input.shape[-1]
    return over_last_axis(layer) or ("" if layer.groups in (1, -1, width) else f"with {layer.groups} groups")


def slopes(layer: Any) -> str:
    """Return why slopes do not move with units."""
    return "" if layer.built and layer.alpha.shape[-1] == layer.input.shape[-1] else "with slopes shared by units"


def keeps_last(layer: Any) -> str:
    """Return why units are not in one place after a Reshape."""
    before, after = layer.input.shape[1:], layer.output.shape[1:]
    kept = before[-1] == after[-1] or (len(after) == 1 and None not in before)
    return "" if kept else f"from shape {tuple(before)} to {tuple(after)}"


def flattened(layer: Any) -> str:
    """Return why the positions of units after a Flatten are unknown."""
    return channels(layer) or ("of an unknown number of positions" if None in layer.input.shape[1:] else "")


def last_in_place(layer: Any) -> str:
    """Return why units are not along the last axis after a Permute."""
    return "" if layer.dims[-1] == len(layer.dims) else f"with dims={layer.dims}"


def scalars(layer: Any) -> str:
    """Return why the order of units matters to a Rescaling."""
    return "" if np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0 else "with one scale per unit"


def shift_kind(layer: Any) -> Kind:
    """Return the kind for convolutions: zero padding does not allow a shift, which would not apply to the zeros."""
    return Kind.AFFINE if layer.use_bias and getattr(layer, "padding", "valid") == "valid" else Kind.LINEAR


def bidirectional(layer: Any) -> str:
    """Return why the rule does not apply to the weights within a Bidirectional."""
    return "" if type(layer.forward_layer) in RECURRENT else f"around {type(layer.forward_layer).__name__}"
