"""The last measured mean and covariance of a layer, for `keras_repreg.ion`.

Kept beside the layer, not in it, and for as long as its weights are the ones that were measured.
"""

import hashlib
import weakref

import keras
import numpy as np
from keras import ops

from keras_repreg.characteristics.moments import Moments

_memory: "weakref.WeakKeyDictionary[keras.layers.Layer, tuple[str, Moments]]" = weakref.WeakKeyDictionary()


def _fingerprint(layer: keras.layers.Layer) -> str:
    digest = hashlib.sha256()
    for weight in layer.weights:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(weight)).tobytes())
    return digest.hexdigest()


def remember(layer: keras.layers.Layer, moments: Moments) -> None:
    """Keep what was measured of a layer's output."""
    _memory[layer] = (_fingerprint(layer), moments)


def recall(layer: keras.layers.Layer) -> Moments | None:
    """What was last measured of the layer's output, or None if nothing was, or the layer's weights changed since."""
    fingerprint, moments = _memory.get(layer, ("", None))
    return moments if moments is not None and fingerprint == _fingerprint(layer) else None
