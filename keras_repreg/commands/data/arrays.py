"""Data in arrays, which are read completely after their shapes are checked."""

import abc
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.inputs import ModelInputs, check_shape, match
from keras_repreg.commands.data.source import Batch, Data, Header, Source, classes_of
from keras_repreg.commands.refusal import Refusal

# The number of values checked at once.
BLOCK = 2**22


class Arrays(Source):
    """Named arrays with known headers.

    Args:
        name: The name of the data in messages.
        headers: Shapes and types by name, in the order of the file.

    Attributes:
        reshapes: Whether flat rows and images may be reshaped into each other.
        default_divisor: The divisor of the inputs if the command line does not set one.
    """

    reshapes = False
    default_divisor = 1.0

    def __init__(self, name: str, headers: Mapping[str, Header]):
        self.name = name
        self.headers = dict(headers)
        self._taken: dict[str, str] = {}
        self._labels: str | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._inputs = ModelInputs(None)

    @abc.abstractmethod
    def values(self, name: str) -> NDArray[Any]:
        """Return one of the arrays.

        Raises:
            Refusal: if it is damaged.
        """

    def fit(self, inputs: ModelInputs) -> float:
        """Match the arrays with the inputs by name or in order."""
        self._inputs = inputs
        self._taken, self._labels = match(inputs, list(self.headers), self.name)
        by_name = {i.name: i for i in (inputs.inputs or inputs.required)}
        lengths = {}
        for key, name in self._taken.items():
            header = self.headers[name]
            if header.dtype.kind == "O":
                raise Refusal(f"{self.name} holds pickled objects, which are not read")
            if header.dtype.kind not in "biuf" or len(header.shape) < 1 or 0 in header.shape:
                raise Refusal(
                    f"{name} in {self.name} is not an array of samples of real numbers: shape {header.shape}, "
                    f"dtype {header.dtype}"
                )
            self._shapes[key] = check_shape(header.shape, by_name[key], self.name, reshape=self.reshapes)
            lengths[name] = header.shape[0]
        if self._labels is not None:
            header = self.headers[self._labels]
            if header.dtype.kind == "O":
                raise Refusal(f"{self.name} holds pickled objects, which are not read")
            lengths[self._labels] = header.shape[0] if header.shape else -1
        if len(set(lengths.values())) != 1:
            shapes = ", ".join(f"{name} {self.headers[name].shape}" for name in lengths)
            raise Refusal(f"the arrays in {self.name} are of different lengths: {shapes}")
        # The original arrays and, during conversion, a copy.
        return 2.0 * sum(self.headers[name].bytes for name in lengths)

    def read(self, *, labels: bool, divide_by: float | None) -> Data:
        """Read only the arrays that the model takes."""
        divisor = divide_by or self.default_divisor
        arrays = {}
        for key, name in self._taken.items():
            array = self._checked(name)
            check_finite(array, name, self.name)
            array = array.reshape(self._shapes[key])
            if array.dtype == np.longdouble:  # not supported by backends
                array = array.astype(np.float64)
            arrays[key] = array if divisor == 1 else np.divide(array, divisor, dtype=np.float32, casting="unsafe")
        classes, notes = None, []
        if labels and self._labels is not None:
            classes, note = classes_of(self._checked(self._labels), self.name)
            notes = [note] if note else []
        x = self._inputs.arranged(arrays)
        samples = len(next(iter(arrays.values())))

        def batches(batch_size: int) -> Iterator[Batch]:
            for start in range(0, samples, batch_size):
                part = slice(start, start + batch_size)
                yield [None if a is None else a[part] for a in x], None if classes is None else classes[part]

        present = None if classes is None else np.unique(classes).tolist()
        return Data(self.name, samples, batches, present, notes=notes)

    def _checked(self, name: str) -> NDArray[Any]:
        array, header = self.values(name), self.headers[name]
        if array.shape != header.shape:
            raise Refusal(f"{name} in {self.name} does not match its header: {array.shape} and {header.shape}")
        return array


def check_finite(array: NDArray[Any], name: str, source: str) -> None:
    """Check that all values are finite.

    Raises:
        Refusal: otherwise.
    """
    if array.dtype.kind != "f":
        return
    flat = array.reshape(-1)
    broken = sum(
        int(np.count_nonzero(~np.isfinite(flat[start : start + BLOCK]))) for start in range(0, flat.size, BLOCK)
    )
    if broken:
        raise Refusal(f"{name} in {source} has {broken:,} values that are NaN or infinite")
