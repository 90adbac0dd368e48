"""The mean and covariance of a layer: measured on data, given, or assumed."""

import warnings
from typing import Any

import keras
import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.batches import peek
from keras_repreg.characteristics import accumulate
from keras_repreg.characteristics.moments import Moments
from keras_repreg.ion.maps import Array
from keras_repreg.ion.probing import SAMPLES
from keras_repreg.ion.site import Site

# Layers whose covariance follows from the kernel for uncorrelated inputs of variance 1.
ASSUMED = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def moments_of(model: keras.Model, site: Site, data: Any, moments: Moments | None) -> tuple[Array, Array, Any]:
    """Return the mean and covariance of the layer's output, and the first inputs of the data, if any."""
    layer = site.layer
    if moments is not None:
        if not isinstance(moments, Moments):
            raise TypeError(
                f"Expected `moments` to be a `Moments` object, such as those of a logger. Received: {moments!r}"
            )
        if moments.mean.shape != (site.units,):
            raise ValueError(f"Expected moments of {site.units} units. Received: a mean of shape {moments.mean.shape}")
        probe = None if data is None else peek(data, SAMPLES)[0]
        return moments.mean, moments.covariance, probe
    if data is not None:
        probe, data = peek(data, SAMPLES)
        measured = accumulate(model, data, layer)[layer.name]
        if not measured.finite:
            raise ValueError(f"Expected finite activations. Received: NaN or infinite values in layer '{layer.name}'")
        if measured.moments.count <= site.units:
            warnings.warn(
                f"Measured the covariance of the {site.units} units of layer '{layer.name}' on only "
                f"{measured.moments.count} samples; directions that do not vary in these samples count as constant.",
                stacklevel=3,
            )
        return measured.moments.mean, measured.moments.covariance, probe
    if not hasattr(layer, "kernel") or type(layer) not in ASSUMED:
        raise ValueError(
            f"Expected `data` or `moments` for layer '{layer.name}' of type {type(layer).__name__}. Received: none"
        )
    warnings.warn(
        f"No data for layer '{layer.name}', so its inputs are assumed to be uncorrelated with mean 0 and variance 1; "
        "pass `data` or `moments` to use a measured covariance.",
        stacklevel=3,
    )
    kernel = to_float64(layer.kernel)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    bias = to_float64(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    return bias, kernel.T @ kernel, None
