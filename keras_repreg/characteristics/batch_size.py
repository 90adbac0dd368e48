"""How many samples a forward pass takes at a time."""

import math
from typing import Any

import keras

# Of the largest layer's output, in bytes.
BUDGET = 64 << 20
LARGEST = 256


def suitable_batch_size(model: keras.Model) -> int:
    """Return the power of two, up to 256, with which no layer's output takes more than 64 MiB.

    Where the model has no graph, whose layers' outputs have shapes, it is 256.

    Examples:
        >>> import keras
        >>> from keras_repreg.characteristics.batch_size import suitable_batch_size
        >>> suitable_batch_size(keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)]))
        256
        >>> suitable_batch_size(keras.Sequential([keras.Input((256, 256, 3)), keras.layers.Conv2D(64, 3)]))
        4
    """
    most = max((_numbers_per_sample(layer) for layer in model.layers), default=1)
    fitting = max(BUDGET // (4 * most), 1)
    return int(min(LARGEST, 2 ** (fitting.bit_length() - 1)))


def _numbers_per_sample(layer: keras.layers.Layer) -> int:
    """The size of the layer's output for one sample, unknown dimensions being 1."""
    if isinstance(layer, keras.Model):
        inner = max((_numbers_per_sample(one) for one in layer.layers), default=1)
        return max(inner, _size(layer))
    return _size(layer)


def _size(layer: Any) -> int:
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # of a layer that was never called on a symbolic input, or several times
        return 1
    return max((math.prod(length or 1 for length in tensor.shape[1:]) for tensor in outputs), default=1)
