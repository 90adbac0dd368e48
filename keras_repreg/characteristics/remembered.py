"""The last measured mean and covariance of a layer, for `keras_repreg.ion`.

Kept beside the layer, not in it, and for as long as the model's weights are the ones that were measured.
"""

import hashlib
import weakref

import keras
import numpy as np
from keras import ops

from keras_repreg.characteristics.moments import Moments

_memory: "weakref.WeakKeyDictionary[keras.layers.Layer, tuple[str, Moments]]" = weakref.WeakKeyDictionary()


def _fingerprint(model: keras.Model) -> str:
    digest = hashlib.blake2b()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(weight)).tobytes())
    return digest.hexdigest()


def remember(model: keras.Model, moments: dict[keras.layers.Layer, Moments]) -> None:
    """Keep what was measured of the outputs of layers in a model."""
    fingerprint = _fingerprint(model) if moments else ""
    for layer, measured in moments.items():
        _memory[layer] = (fingerprint, measured)


def recall(model: keras.Model, layer: keras.layers.Layer) -> Moments | None:
    """What was last measured of the layer's output, or None if nothing was, or the model's weights changed since."""
    fingerprint, moments = _memory.get(layer, ("", None))
    return moments if moments is not None and fingerprint == _fingerprint(model) else None
