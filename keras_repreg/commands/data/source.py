"""The interface of every kind of data: its contents before it is read, and then batches."""

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.inputs import ModelInputs

# Inputs of one batch, one array for each input of the model, or None for an optional one; and targets.
Batch = tuple[list[Any], Any]


@dataclass(frozen=True)
class Header:
    """Shape and type of an array that is not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return int(np.prod([float(n) for n in self.shape], initial=float(self.dtype.itemsize)))


@dataclass(frozen=True)
class Data:
    """Data that fits a model.

    Attributes:
        name: What to call it.
        samples: How many there are.
        batches: Gives the batches, from the first one each time.
        classes: The classes that its labels may be; None without labels.
        class_names: The names of classes 0, 1 ..., where the data has them.
        notes: What the person at the terminal should know.
    """

    name: str
    samples: int
    batches: Callable[[int], Iterator[Batch]]
    classes: Sequence[Any] | None = None
    class_names: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)


class Source(abc.ABC):
    """Data whose values are not read yet."""

    name: str

    @abc.abstractmethod
    def fit(self, inputs: ModelInputs) -> float:
        """Compare what is known with the model's inputs, and return how many bytes reading takes.

        Raises:
            Refusal: if they do not fit.
        """

    @abc.abstractmethod
    def read(self, *, labels: bool, divide_by: float | None) -> Data:
        """Read the data, after `fit`, with labels or without.

        Raises:
            Refusal: if it is damaged.
        """


def classes_of(y: NDArray[Any], name: str) -> tuple[NDArray[Any] | None, str | None]:
    """The class of each sample, or None and why targets are no classes."""
    from keras_repreg.labels import sample_classes

    try:
        return sample_classes(y, len(y)), None
    except ValueError as error:
        reason = str(error).split(" Received: ")[-1][:200]
        return None, f"the targets in {name} are no classes and are left out: {reason}"
