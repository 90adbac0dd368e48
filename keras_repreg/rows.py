"""Activations of any shape as matrices: samples in rows, units in columns."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arguments import one_of
from keras_repreg.arrays import to_numpy

UNITS = ("channels", "flatten")


def rows_of(z: Any, units: str = "channels", channel_axis: int = -1) -> NDArray[Any]:
    """Return the (N, M) activations of a layer as an array of the same dtype (float32 for bfloat16).

    For a layer with several outputs, such as a recurrent layer with its states, only the first is used.

    Args:
        z: Activations of shape (samples, units), or (samples, ..., units).
        units: "channels": the channels are the units, and each position of each sample counts as a sample;
            "flatten": each position of each channel is a unit.
        channel_axis: The axis of the channels.

    Raises:
        ValueError: if the activations are not real numbers of rank 2 or more, or `units` is neither.
    """
    one_of(units, UNITS, "units")
    if isinstance(z, (list, tuple)) and z and ops.is_tensor(z[0]):
        z = z[0]
    if not ops.is_tensor(z):
        z = to_numpy(z)
    if len(z.shape) < 2 or not is_real(z):
        raise ValueError(
            "Expected activations of shape (samples, units), or (samples, ..., units), in a real numeric dtype. "
            f"Received: shape {tuple(z.shape)}, dtype {z.dtype}"
        )
    array = to_numpy(z)
    if units == "flatten":
        return array.reshape(len(array), math.prod(array.shape[1:]))
    array = np.moveaxis(array, channel_axis, -1)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def as_matrix(z: Any) -> NDArray[np.float64]:
    """Return `rows_of` in float64, with channels as units."""
    return rows_of(z).astype(np.float64, copy=False)


def channel_axis(layer: keras.layers.Layer) -> int:
    """Return the channel axis of a layer's output: the last one, unless the layer is `channels_first`."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def width_of(shape: Sequence[int], units: str, channel_axis: int = -1) -> int:
    """Return the number of units of an output of this shape."""
    if units == "flatten" or not shape:
        return math.prod(shape)
    return shape[channel_axis - 1 if channel_axis > 0 else channel_axis]


def is_real(z: Any) -> bool:
    """Return whether a tensor or array holds real numbers."""
    if ops.is_tensor(z):
        return not keras.backend.standardize_dtype(z.dtype).startswith(("complex", "string"))
    return z.dtype.kind in "biuf"


def kept_rows(mask: Any, shape: tuple[int, ...], units: str, channel_axis: int = -1) -> NDArray[np.bool_] | None:
    """Return which rows of `rows_of` a mask keeps, shape (N,), or None for all of them.

    Args:
        mask: One truth value per sample or per position; a mask that does not match `shape` keeps all rows.
        shape: The shape of the activations.
        units: See `rows_of`.
        channel_axis: The axis of the channels.

    Raises:
        ValueError: if a mask of positions would exclude parts of a row (`units="flatten"`).
    """
    if mask is None:
        return None
    mask = to_numpy(mask).astype(bool)
    positions = tuple(np.delete(shape, channel_axis % len(shape))) if units == "channels" else shape[:1]
    if units == "flatten" and mask.ndim > 1 and mask.shape == shape[: mask.ndim] and not mask.all():
        raise ValueError(
            f"Expected `units='channels'` with a mask that excludes positions. Received: units={units!r}, a mask of "
            f"shape {mask.shape}"
        )
    if mask.ndim > len(positions) or mask.shape != positions[: mask.ndim]:
        return None
    mask = mask.reshape(mask.shape + (1,) * (len(positions) - mask.ndim))
    return np.broadcast_to(mask, positions).reshape(-1)
