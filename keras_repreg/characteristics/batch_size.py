"""The number of samples per forward pass."""

import math
from collections.abc import Iterator
from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.batches import samples_in
from keras_repreg.graph import all_layers

# Maximum bytes of the outputs of all layers, which Keras holds until a functional model returns.
BUDGET = 256 << 20
LARGEST = 1024
# The batch size if shapes are unknown.
UNKNOWN = 256


def suitable_batch_size(model: keras.Model) -> int:
    """Return the largest batch size up to 1,024 for which the outputs of all layers take at most 256 MiB.

    It is at most 256 if the shapes of some outputs are unknown.

    Examples:
        >>> import keras
        >>> from keras_repreg.characteristics.batch_size import suitable_batch_size
        >>> suitable_batch_size(keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)]))
        1024
        >>> suitable_batch_size(keras.Sequential([keras.Input((256, 256, 3)), keras.layers.Conv2D(64, 3)]))
        16
    """
    layers = all_layers(model)
    shapes = [_shape(layer) for layer in layers]
    models = [model, *(layer for layer in layers if isinstance(layer, keras.Model))]
    given = [tensor.shape[1:] for tensor in getattr(model, "inputs", None) or []]
    known = all(None not in shape for shape in [*shapes, *given]) and all(graph.of(one) is not None for one in models)
    numbers = sum(math.prod(length or 1 for length in shape) for shape in shapes)
    return min(LARGEST if known else UNKNOWN, max(BUDGET // max(4 * numbers, 1), 1))


def split(batches: Iterator[tuple[Any, Any]], size: int) -> Iterator[tuple[Any, Any]]:
    """Yield the batches (inputs, targets) in parts of at most `size` samples."""
    for x, y in batches:
        samples = samples_in(x)
        for start in range(0, samples, size):
            if samples <= size:
                yield x, y
            else:
                part = slice(start, start + size)
                yield keras.tree.map_structure(lambda array, part=part: None if array is None else array[part], (x, y))


def can_split(model: keras.Model) -> bool:
    """Return whether batches can be split, because the model has no fixed batch size and no state."""
    stateful = any(getattr(layer, "stateful", False) for layer in all_layers(model))
    return not stateful and all(tensor.shape[0] is None for tensor in getattr(model, "inputs", None) or [])


def _shape(layer: Any) -> tuple[int | None, ...]:
    """Return the shape of a layer's largest output for one sample, with None for unknown lengths."""
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # a layer that was never called on a symbolic input, or called several times
        return (None,)
    shapes = (tuple(tensor.shape[1:]) for tensor in outputs)
    return max(shapes, key=lambda shape: math.prod(length or 1 for length in shape), default=())
