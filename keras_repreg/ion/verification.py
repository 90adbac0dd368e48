"""Compare the outputs of two models."""

from typing import Any

import keras

from keras_repreg.arrays import to_float64
from keras_repreg.batches import as_tensors, batches
from keras_repreg.ion.probing import largest_change


def verify(model: keras.Model, other: keras.Model, data: Any, *, batch_size: int = 256) -> float:
    """Return the largest difference between the outputs of two models on data, relative to the largest output.

    Args:
        model: A Keras model.
        other: A Keras model with the same inputs and outputs.
        data: See `keras_repreg.measure`.
        batch_size: Samples per forward pass, if the data is not batched already.

    Returns:
        The difference: close to the precision of the weights for identical output networks, infinite for NaN outputs.

    Raises:
        TypeError: if one of them is not a Keras model.
        ValueError: if the outputs differ in shape, or there is no data.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> twin = keras_repreg.ion.whiten(model, "z", x, copy=True)
        >>> keras_repreg.ion.verify(model, twin, x) < 1e-4
        True
    """
    for each in (model, other):
        if not isinstance(each, keras.Model):
            raise TypeError(f"Expected two Keras models. Received: {each!r}")
    largest, seen = 0.0, False
    for x, _ in batches(data, batch_size):
        seen = True
        pair = [keras.tree.flatten(m(as_tensors(x), training=False)) for m in (model, other)]
        if [tuple(a.shape) for a in pair[0]] != [tuple(b.shape) for b in pair[1]]:
            raise ValueError(
                "Expected models with outputs of the same shape. "
                f"Received: {[tuple(a.shape) for a in pair[0]]} and {[tuple(b.shape) for b in pair[1]]}"
            )
        for a, b in zip(*pair, strict=True):
            largest = max(largest, largest_change(to_float64(a), to_float64(b)))
    if not seen:
        raise ValueError(f"Expected at least one batch of data. Received: an empty {type(data).__name__}")
    return largest
