"""The interface of all kinds of data: headers before reading, then batches."""

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.inputs import ModelInputs

# The inputs of a batch, one array per model input, or None for an optional one, and the targets.
Batch = tuple[list[Any], Any]


@dataclass(frozen=True)
class Header:
    """The shape and dtype of an array that has not been read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """The memory of the array in bytes."""
        return int(np.prod([float(n) for n in self.shape], initial=float(self.dtype.itemsize)))


@dataclass(frozen=True)
class Data:
    """Data that fits a model.

    Attributes:
        name: The name of the data in messages.
        samples: The number of samples.
        batches: A function that returns the batches, starting from the first one.
        classes: The possible classes of its labels; None without labels.
        class_names: The names of classes 0, 1 ..., if the data has them.
        notes: Notes for the user.
    """

    name: str
    samples: int
    batches: Callable[[int], Iterator[Batch]]
    classes: Sequence[Any] | None = None
    class_names: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)


class Source(abc.ABC):
    """Data whose values have not been read yet."""

    name: str

    @abc.abstractmethod
    def fit(self, inputs: ModelInputs) -> float:
        """Compare the headers with the model's inputs, and return the memory in bytes for reading the data.

        Raises:
            Refusal: if they do not match.
        """

    @abc.abstractmethod
    def read(self, *, labels: bool, divide_by: float | None) -> Data:
        """Read the data, after `fit`, with labels or without.

        Raises:
            Refusal: if it is damaged.
        """


def classes_of(y: NDArray[Any], name: str) -> tuple[NDArray[Any] | None, str | None]:
    """Return the class of each sample, or None and the reason why the targets are not classes."""
    from keras_repreg.labels import sample_classes

    try:
        return sample_classes(y, len(y)), None
    except ValueError as error:
        reason = str(error).split(" Received: ")[-1][:200]
        return None, f"the targets in {name} are not classes and are ignored: {reason}"
