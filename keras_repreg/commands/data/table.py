"""Tables of numbers, .csv: one sample per line, with an optional column of classes."""

import csv
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.arrays import Arrays
from keras_repreg.commands.data.inputs import LABELS, ModelInputs
from keras_repreg.commands.data.source import Header
from keras_repreg.commands.refusal import Refusal

LONGEST_LINE = 2**24


class Table(Arrays):
    """A comma-separated .csv file. A first line without numbers contains the names of the columns.

    The column named label, labels, class, target, targets or y contains the classes. Without names it is the last one,
    if the model takes one column less.
    """

    reshapes = True

    def __init__(self, path: Path):
        self._path = path
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                first = next(csv.reader([file.readline(LONGEST_LINE)]), [])
                rest = sum(1 for line in file if line.strip())
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise Refusal(f"{path} cannot be read as a table: {error}") from error
        self._named = bool(first) and not all(map(_is_number, first[:-1] or first))
        self._rows = rest + (0 if self._named else bool(first))
        self._columns = len(first)
        if not self._rows or not self._columns:
            raise Refusal(f"{path} contains no samples")
        names = [name.strip().lower() for name in first] if self._named else []
        self._label_column = next((names.index(name) for name in (*LABELS, "class") if name in names), None)
        super().__init__(str(path), self._headers())

    def fit(self, inputs: ModelInputs) -> float:
        wanted = math.prod(int(n or 0) for n in inputs.only(self.name).shape[1:])
        if not self._named and self._label_column is None and wanted and wanted == self._columns - 1:
            self._label_column = self._columns - 1
        self.headers = self._headers()
        # While it is read, text takes several times the memory of its numbers.
        return 4 * super().fit(inputs)

    def values(self, name: str) -> NDArray[Any]:
        inputs = [i for i in range(self._columns) if i != self._label_column]
        return self._read(inputs, np.float64) if name == "x" else self._label_values()

    def _headers(self) -> dict[str, Header]:
        columns = self._columns - (self._label_column is not None)
        headers = {"x": Header((self._rows, columns), np.dtype(np.float64))}
        if self._label_column is not None:
            headers["y"] = Header((self._rows,), np.dtype(np.float64))
        return headers

    def _label_values(self) -> NDArray[Any]:
        text = self._read([self._label_column], str).reshape(-1)
        try:
            return text.astype(np.float64)
        except ValueError:
            return np.char.strip(text)

    def _read(self, columns: list[Any], dtype: Any) -> NDArray[Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return np.loadtxt(
                    self._path, dtype, delimiter=",", skiprows=int(self._named), usecols=columns, ndmin=2,
                    encoding="utf-8-sig", quotechar='"', comments=None,
                )  # fmt: skip
        except (ValueError, IndexError, OSError, UserWarning) as error:
            raise Refusal(f"{self._path} cannot be read as a table of numbers: {error}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
