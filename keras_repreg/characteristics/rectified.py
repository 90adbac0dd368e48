"""Identify rectifiers, for which the paper uses only positive values."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg.graph import Graph, all_layers, is_identity, of

# Layers that return values unchanged, or the maximum or mean of several, and so preserve zeros.
_PASSING = (
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Reshape,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.UpSampling1D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
_PROBE = np.array([[-1e3, -8.0, -3.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 3.0, 8.0]], "float32")


def is_rectifier(function: Any) -> bool:
    """Return whether an activation function is zero for negative inputs and positive for positive ones, like ReLU."""
    if function is None or not callable(function):
        return False
    try:
        found = ops.convert_to_numpy(function(ops.convert_to_tensor(_PROBE)))
    except Exception:  # a function that does not take an array of any shape
        return False
    return found.shape == _PROBE.shape and bool(((_PROBE > 0) == (found > 0)).all() and (found >= 0).all())


def graphs_within(model: keras.Model) -> list[Graph]:
    """Return the graphs of a model and its nested models, if known."""
    models = [model, *(layer for layer in all_layers(model) if isinstance(layer, keras.Model))]
    return [graph for graph in map(of, models) if graph is not None]


def positive_only_of(layer: Any, graphs: Sequence[Graph] = ()) -> bool:
    """Return whether only positive values of the layer's output count, depending on its activation.

    This is the case for ReLU and other activations that are zero for negative inputs. For layers that return values of
    their input, such as pooling and dropout, it depends on the layer before them, if a graph shows it.

    Args:
        layer: A layer.
        graphs: See `graphs_within`.

    Examples:
        >>> import keras
        >>> from keras_repreg.characteristics.rectified import positive_only_of
        >>> positive_only_of(keras.layers.Dense(3, activation="relu"))
        True
        >>> positive_only_of(keras.layers.Dense(3))
        False
    """
    while type(layer) in _PASSING or is_identity(layer):
        before = next((graph.producer(layer) for graph in graphs if graph.has(layer)), layer)
        if before is layer:
            break
        layer = before
    if isinstance(layer, keras.layers.Wrapper):
        return positive_only_of(layer.layer)
    if isinstance(layer, keras.Sequential) and layer.layers:
        return positive_only_of(layer.layers[-1], graphs)
    if isinstance(layer, keras.layers.ReLU):
        return not layer.negative_slope and layer.threshold >= 0
    if not isinstance(layer, keras.layers.Layer):  # an operation in a graph, such as `keras.ops.relu`
        return is_rectifier(layer)
    return is_rectifier(getattr(layer, "activation", None))
