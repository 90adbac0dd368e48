"""How many samples a forward pass takes at a time."""

import math
from collections.abc import Iterator
from typing import Any

import keras

from keras_repreg.batches import samples_in
from keras_repreg.graph import all_layers

# Of the outputs of all layers, in bytes: Keras holds them until a functional model has its output.
BUDGET = 192 << 20
LARGEST = 256


def suitable_batch_size(model: keras.Model) -> int:
    """Return the power of two, up to 256, with which the outputs of all layers take no more than 192 MiB.

    Where the model has no graph, whose layers' outputs have shapes, it is 256.

    Examples:
        >>> import keras
        >>> from keras_repreg.characteristics.batch_size import suitable_batch_size
        >>> suitable_batch_size(keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)]))
        256
        >>> suitable_batch_size(keras.Sequential([keras.Input((256, 256, 3)), keras.layers.Conv2D(64, 3)]))
        8
    """
    fitting = max(BUDGET // max(4 * _numbers_per_sample(model), 1), 1)
    return int(min(LARGEST, 2 ** (fitting.bit_length() - 1)))


def split(batches: Iterator[tuple[Any, Any]], size: int) -> Iterator[tuple[Any, Any]]:
    """The same batches, (inputs, targets), in parts of at most `size` samples."""
    for x, y in batches:
        samples = samples_in(x)
        for start in range(0, samples, size):
            if samples <= size:
                yield x, y
            else:
                part = slice(start, start + size)
                yield keras.tree.map_structure(lambda array, part=part: None if array is None else array[part], (x, y))


def can_split(model: keras.Model) -> bool:
    """Whether a batch can be passed through the model in parts: it has no fixed batch size, and no state."""
    stateful = any(getattr(layer, "stateful", False) for layer in all_layers(model))
    return not stateful and all(tensor.shape[0] is None for tensor in getattr(model, "inputs", None) or [])


def _numbers_per_sample(model: keras.Model) -> int:
    """The size of the outputs of all layers for one sample, unknown dimensions being 1."""
    return sum(_size(layer) for layer in all_layers(model))


def _size(layer: Any) -> int:
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # of a layer that was never called on a symbolic input, or several times
        return 1
    return max((math.prod(length or 1 for length in tensor.shape[1:]) for tensor in outputs), default=1)
