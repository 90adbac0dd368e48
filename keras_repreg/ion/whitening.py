"""Whitening: the identical output network whose units are uncorrelated, with variance 1."""

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg import graph
from keras_repreg.characteristics import accumulate
from keras_repreg.characteristics.remembered import recall
from keras_repreg.ion.surgery import find_consumer, transform

Array = NDArray[np.float64]

# Directions with less variance than this share of the largest belong to the null space: whitening them would need
# a Q of condition number above 1e4, of which float32 weights keep too few digits.
NULL_SPACE = 1e-8


def whiten(model: keras.Model, layer: Any, data: Any = None, *, null_space: float = NULL_SPACE) -> keras.Model:
    """Make the covariance of a linear Dense layer's output the identity, leaving the model's output as it is.

    Theorem 1 with m = E[z] and Q = C^(-1/2). Where C is singular, as it mostly is (its rank is near the number
    of classes), the result is the identity on the range of C, and directions without variance stay without.
    Rewrites the weights of the layer and of the Dense layer that takes its output, in place.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense layer without activation, or its name.
        data: What the covariance is measured on: see `keras_repreg.measure`. By default what a
            `CharacteristicsLogger` measured last, if the model's weights are still the same; or else, with a
            warning, the covariance of inputs of the layer that are uncorrelated with mean 0 and variance 1.
        null_space: Directions with less than this share of the largest variance count as without variance.

    Returns:
        The model.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: before any weight changes, if Theorem 1 does not apply (see `transform`), or the layer's output
            does not vary.

    Example:
    >>> import keras, keras_repreg, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> before = model.predict(x, verbose=0)
    >>> model = keras_repreg.ion.whiten(model, "z", x)
    >>> round(keras_repreg.measure(model, x, "z")["z"]["correlation"], 3)
    0.0
    >>> np.allclose(before, model.predict(x, verbose=0), atol=1e-4)
    True

    Reference:
        Section 3.1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
    """
    layer = graph.find_layer(model, layer)
    consumer = find_consumer(model, layer)
    for dense in (layer, consumer):
        if not dense.use_bias:
            raise ValueError(
                "Expected both layers to have a bias, which takes up the mean. Received: layer "
                f"'{dense.name}' with use_bias=False"
            )
    if not 0 < null_space < 1:
        raise ValueError(f"Expected `null_space` to be between 0 and 1. Received: null_space={null_space!r}")
    mean, covariance = _moments(model, layer, data)
    again = None if hasattr(data, "__next__") else data
    return transform(model, layer, whitening_matrix(covariance, null_space), mean, data=again)


def whitening_matrix(covariance: Array, null_space: float = NULL_SPACE) -> Array:
    """The symmetric Q with Q C Q the identity on the range of C, and nonsingular.

    Args:
        covariance: C, shape (M, M), symmetric and positive semi-definite.
        null_space: Directions with less than this share of the largest variance count as the null space.

    Raises:
        ValueError: if C is zero.
    """
    variances, directions = np.linalg.eigh(covariance)
    largest = float(variances[-1])
    if not largest > np.finfo(np.float64).tiny:
        raise ValueError(f"Expected a layer whose output varies. Received: a largest variance of {largest}")
    # The null space is scaled like the direction of most variance: what noise is there, is not amplified.
    kept = np.where(variances > null_space * largest, variances, largest)
    return (directions / np.sqrt(kept)) @ directions.T


def _moments(model: keras.Model, layer: keras.layers.Dense, data: Any) -> tuple[Array, Array]:
    """Mean and covariance of the layer's output."""
    if data is not None:
        measured = accumulate(model, data, layer)[layer.name].moments
        return measured.mean, measured.covariance
    remembered = recall(model, layer)
    if remembered is not None:
        return remembered.mean, remembered.covariance
    warnings.warn(
        f"whiten: no data for layer '{layer.name}', so its inputs are assumed to be uncorrelated with mean 0 and "
        "variance 1; pass `data` for a covariance that is measured.",
        stacklevel=3,
    )
    kernel = np.asarray(ops.convert_to_numpy(layer.kernel), dtype=np.float64)
    return np.asarray(ops.convert_to_numpy(layer.bias), dtype=np.float64), kernel.T @ kernel
