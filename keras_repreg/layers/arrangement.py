"""Activations of any rank as the paper's Z: samples in rows, units in columns."""

import math
from typing import Any

import keras
from keras import ops

from keras_repreg.arguments import one_of
from keras_repreg.seam import value_of

Tensor = Any

UNITS = (None, "channels", "flatten")
DATA_FORMATS = (None, "channels_last", "channels_first")


class Arrangement:
    """How activations are arranged into samples and units.

    Args:
        units: None: activations are already (N, M). `"channels"`: the channels are the units, and every position of
            every sample is a sample. `"flatten"`: every entry of a sample is a unit.
        data_format: `"channels_last"`, `"channels_first"`, or None for `keras.config.image_data_format()`.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(self, units: str | None, data_format: str | None):
        self.units = one_of(units, UNITS, "units")
        self.data_format = one_of(data_format, DATA_FORMATS, "data_format") or keras.config.image_data_format()

    def check(self, shape: tuple[int | None, ...], owner: str) -> None:
        """Check that activations of this shape can be arranged.

        Raises:
            ValueError: if the rank does not match.
        """
        if len(shape) < 2 or (self.units is None and len(shape) > 2):
            raise ValueError(
                f"{owner} expects activations of shape (samples, units). For more dimensions pass `units='channels'` "
                "(every position is a sample) or `units='flatten'` (every entry is a unit). Received: "
                f"inputs.shape={shape}"
            )

    def rows(self, z: Tensor, owner: str) -> Tensor:
        """Return Z of shape (samples, units).

        Raises:
            ValueError: if the rank does not match, the number of units is unknown, or activations are not real numbers.
        """
        shape = tuple(z.shape)
        self.check(shape, owner)
        dtype = keras.backend.standardize_dtype(z.dtype)
        if dtype.startswith(("complex", "string")):
            raise ValueError(f"{owner} expects activations of real numbers. Received: inputs.dtype={dtype}")
        if len(shape) > 2 and self.units == "channels":
            z = self._channels_last(z)
        units = z.shape[1:] if self.units == "flatten" else z.shape[-1:]
        if None in units:
            raise ValueError(f"{owner} expects a known number of units. Received: inputs.shape={shape}")
        return z if len(shape) == 2 else ops.reshape(z, (-1, math.prod(units)))

    def restore(self, rows: Tensor, z: Tensor) -> Tensor:
        """Invert `rows`: return an array of shape (samples, units) in the shape of `z`."""
        if len(z.shape) == 2:
            return rows
        if self.units == "flatten":
            return ops.reshape(rows, ops.shape(z))
        rows = ops.reshape(rows, ops.shape(self._channels_last(z)))
        return ops.moveaxis(rows, -1, 1) if self.data_format == "channels_first" else rows

    def labels(self, labels: Tensor, z: Tensor, owner: str, num_classes: int | None = None) -> Tensor:
        """Return the labels of the rows, from labels per sample or per position.

        Integers of shape (N, T) for T positions are ids per position, unless there are T classes, or each row is
        one-hot and the number of classes is not given.

        Raises:
            ValueError: if the shape of `labels` does not match the positions of `z`, or is ambiguous.
        """
        labels = ops.convert_to_tensor(labels)
        if len(z.shape) == 2 or self.units != "channels":
            return labels
        z = self._channels_last(z)
        given, positions = tuple(labels.shape), tuple(z.shape[1:-1])
        if len(given) > 2 and _agree(given[: len(positions) + 1], tuple(z.shape[:-1])):
            return ops.reshape(labels, (-1, *given[len(positions) + 1 :]))
        if len(given) == 2 and len(positions) == 1 and given[1] == positions[0] != 1:
            integers = keras.backend.standardize_dtype(labels.dtype).startswith(("int", "uint"))
            if integers and num_classes != given[1] and (num_classes or not _may_be_one_hot(labels)):
                return ops.reshape(labels, (-1,))
            raise ValueError(
                f"{owner} cannot tell whether `labels` are one-hot labels per sample or ids per position. Pass ids of "
                f"shape (N,), or ids per position of shape (N, positions, 1). Received: labels.shape={given}, "
                f"inputs.shape={tuple(z.shape)} with the channels last"
            )
        if len(given) not in (1, 2) or not _agree(given[:1], z.shape[:1]) or None in given[1:]:
            raise ValueError(
                f"{owner} expects labels per sample of shape (N,), (N, 1) or one-hot (N, K), or labels per position "
                f"with the additional dimensions {positions}. Received: labels.shape={given}, "
                f"inputs.shape={tuple(z.shape)} with the channels last"
            )
        labels = ops.reshape(labels, (-1, *(1 for _ in positions), *given[1:]))
        return ops.reshape(ops.broadcast_to(labels, (*ops.shape(z)[:-1], *given[1:])), (-1, *given[1:]))

    def sample_weight(self, mask: Tensor | None, z: Tensor, owner: str) -> Tensor | None:
        """Return 1 for each row that a Keras mask keeps and 0 for the others, in float32; None without a mask.

        Raises:
            ValueError: if the mask is not per sample, or per position with `units="channels"`.
        """
        if mask is None:
            return None
        by_position = self.units == "channels" and len(z.shape) > 2
        z = self._channels_last(z) if by_position else z
        rank = len(z.shape) - 1 if by_position else 1
        if not 1 <= len(mask.shape) <= rank:
            raise ValueError(
                f"{owner} expects a mask of samples, or of positions with `units='channels'`, not of single units. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(z.shape)}"
            )
        mask = ops.cast(mask, "float32")
        if by_position:
            ones = (1,) * (rank - len(mask.shape))
            mask = ops.broadcast_to(ops.reshape(mask, (*ops.shape(mask), *ones)), ops.shape(z)[:-1])
        return ops.reshape(mask, (-1,))

    def _channels_last(self, z: Tensor) -> Tensor:
        return ops.moveaxis(z, 1, -1) if self.data_format == "channels_first" else z

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "data_format": self.data_format}


def _may_be_one_hot(labels: Tensor) -> bool:
    """Return whether integers of shape (N, T) can be one-hot rows; in compiled functions they are taken for ids."""
    values = value_of(labels)
    return values is not None and bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())


def _agree(one: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    """Return whether two shapes agree in all known dimensions."""
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in zip(one, other, strict=True))
