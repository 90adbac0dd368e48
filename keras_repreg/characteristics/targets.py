"""The class of each sample, batch by batch, for class characteristics."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_numpy
from keras_repreg.labels import sample_classes, select_target


class LabelSource:
    """Returns the classes of consecutive batches, from an array or from the targets of the data.

    Args:
        labels: An array for all samples in the order of the data; True for the targets of the data; their key or index,
            if there are several; None for no labels.
    """

    def __init__(self, labels: Any):
        self.given = labels is not None
        self._targets = labels is True or isinstance(labels, (str, int))
        self._key = None if labels is True else labels
        self._array = labels if self._targets or labels is None else sample_classes(labels, _length(labels))
        self._position = 0

    @property
    def by_batch(self) -> bool:
        """Whether labels come with each batch, or there are none."""
        return self._targets or not self.given

    def of_batch(self, y: Any, samples: int | None) -> NDArray[Any] | None:
        """Return the classes of the next `samples` samples, or of all targets `y` if it is None.

        Raises:
            ValueError: if there are no such targets, or the numbers of labels and samples differ.
        """
        if not self.given:
            return None
        if self._targets:
            if y is None:
                raise ValueError("Expected data with targets, (inputs, targets), as labels. Received: no targets")
            targets = select_target(y, self._key)
            return sample_classes(targets, len(targets) if samples is None else samples)
        if samples is None:
            raise ValueError("Expected the number of samples, to select their labels. Received: samples=None")
        part = self._array[self._position : self._position + samples]
        self._position += samples
        if len(part) != samples:
            raise ValueError(f"Expected one label per sample. Received: {len(self._array)} labels for more samples")
        return part

    def restart(self) -> None:
        """Start again from the first sample."""
        self._position = 0

    def check_end(self) -> None:
        """Check that no labels are left after the last batch.

        Raises:
            ValueError: if there are any.
        """
        if self.given and not self._targets and self._position < len(self._array):
            raise ValueError(
                f"Expected one label per sample. Received: {len(self._array)} labels for {self._position} samples"
            )


def _length(labels: Any) -> int:
    if not (ops.is_tensor(labels) or isinstance(labels, (np.ndarray, list, tuple))) or not to_numpy(labels).ndim:
        raise ValueError(f"Expected `labels` to be an array, True or the key of a target. Received: {labels!r}")
    return len(labels)
