"""The class of each sample, for the characteristics of classes."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_numpy


def sample_classes(labels: Any, samples: int) -> NDArray[Any]:
    """Classes of shape (N,) from labels of shape (N,), (N, 1) or one-hot (N, K).

    Raises:
        ValueError: if the labels have another shape or number, or are not whole numbers or strings.
    """
    array = to_numpy(labels)
    if array.ndim not in (1, 2) or len(array) != samples or (samples and not array.size):
        raise ValueError(
            f"Expected `labels` of shape ({samples},), ({samples}, 1) or one-hot ({samples}, K). "
            f"Received: labels.shape={array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"Expected `labels` without NaN or infinity. Received: {np.sum(~np.isfinite(array))} of them")
    if array.ndim == 2 and array.dtype.kind in "biufUS":
        array = array[:, 0] if array.shape[1] == 1 else class_of_rows(array)
    if array.dtype.kind not in "biufUS" or (array.dtype.kind == "f" and (array != np.floor(array)).any()):
        raise ValueError(
            "Expected `labels` to be class ids: whole numbers, strings or one-hot rows. "
            f"Received: dtype {array.dtype}, such as {array[:3].tolist()}"
        )
    return array


def class_of_rows(rows: NDArray[Any]) -> NDArray[np.intp]:
    """The class of each row of one-hot or soft labels: the largest entry.

    Raises:
        ValueError: if the rows are no shares of classes: numbers >= 0 that sum to 1.
    """
    if rows.dtype.kind not in "biuf" or (rows < 0).any() or not (abs(rows.sum(axis=1) - 1.0) < 0.01).all():
        raise ValueError(
            "Expected `labels` of two dimensions to be one-hot rows, or shares of classes that sum to 1. "
            f"Received: shape {rows.shape}, such as {rows[:1].tolist()}"
        )
    return rows.argmax(axis=1)


class LabelSource:
    """Hands out the classes of batch after batch, from an array or from the targets of the data.

    Args:
        labels: An array for all samples in the data's order; True for the data's targets; their key or index, where
            there are several; None for no labels.
    """

    def __init__(self, labels: Any):
        self.given = labels is not None
        self._targets = labels is True or isinstance(labels, (str, int))
        self._key = None if labels is True else labels
        self._array = labels if self._targets or labels is None else sample_classes(labels, _length(labels))
        self._position = 0

    @property
    def by_batch(self) -> bool:
        """Whether each batch brings its labels, or there are none."""
        return self._targets or not self.given

    def of_batch(self, y: Any, samples: int | None) -> NDArray[Any] | None:
        """The classes of the next `samples` samples, whose targets are `y`; as many as there are targets for None.

        Raises:
            ValueError: if there are no such targets, or not as many labels as samples.
        """
        if not self.given:
            return None
        if self._targets:
            targets = pick(y, self._key)
            return sample_classes(targets, len(targets) if samples is None else samples)
        if samples is None:
            raise ValueError("Expected the number of samples, to take as many labels. Received: samples=None")
        part = self._array[self._position : self._position + samples]
        self._position += samples
        if len(part) != samples:
            raise ValueError(f"Expected a label for each sample. Received: {len(self._array)} labels for more samples")
        return part

    def check_end(self) -> None:
        """After the last batch: there must be no labels left over.

        Raises:
            ValueError: if there are.
        """
        if self.given and not self._targets and self._position < len(self._array):
            raise ValueError(
                f"Expected a label for each sample. Received: {len(self._array)} labels for {self._position} samples"
            )


def pick(y: Any, key: str | int | None) -> Any:
    """The entry of the targets that holds the labels.

    Raises:
        ValueError: if there are no targets, or several and the key names none of them.
    """
    if y is None:
        raise ValueError("Expected data with targets, (inputs, targets), to take the labels from. Received: no targets")
    entries = dict(enumerate(y)) if isinstance(y, (list, tuple)) else y
    if not isinstance(entries, dict):
        return y
    if key is None and len(entries) == 1:
        return next(iter(entries.values()))
    if key not in entries:
        raise ValueError(
            f"Expected `labels` to be one of {list(entries)}, the targets that hold the classes. Received: {key!r}"
        )
    return entries[key]


def _length(labels: Any) -> int:
    if not (ops.is_tensor(labels) or isinstance(labels, (np.ndarray, list, tuple))) or not to_numpy(labels).ndim:
        raise ValueError(f"Expected `labels` to be an array, True or the key of a target. Received: {labels!r}")
    return len(labels)


def batch_size(x: Any) -> int:
    """The number of samples in a batch of inputs."""
    return len(next(array for array in keras.tree.flatten(x) if array is not None))
