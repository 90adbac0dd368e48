"""Results of `measure` and `measure_units`: mappings from layers or units to values, which print as tables."""

import csv
import html
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from keras_repreg.files import write_atomically

Key = TypeVar("Key", bound=str | int)

# The number of rows printed at the start and end of long tables.
PRINTED = 30


class Table(Mapping[Key, dict[str, Any]]):
    """A mapping of rows of named values, which prints as a table.

    Args:
        rows: `{key: {column: value}}`.
    """

    key_name: ClassVar[str]

    def __init__(self, rows: Mapping[Key, Mapping[str, Any]]):
        self._rows: dict[Key, dict[str, Any]] = {key: dict(values) for key, values in rows.items()}

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return self._rows[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(dict.fromkeys(name for values in self._rows.values() for name in values))

    def to_dict(self) -> dict[Key, dict[str, Any]]:
        """Return plain dicts, numbers and lists, for `json.dumps`."""
        return {key: {name: _plain(value) for name, value in values.items()} for key, values in self.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per row, including its key, for `pandas.DataFrame`."""
        return [{self.key_name: key, **values} for key, values in self.items()]

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a file with one line per row, full precision, and arrays separated by spaces.

        Raises:
            FileExistsError: if the file exists, unless `overwrite`.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, [self.key_name, *self.columns], lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow({name: _cell(value) for name, value in row.items()})
        write_atomically(Path(path), text.getvalue(), overwrite=overwrite)

    def __repr__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        )
        return "\n".join("  ".join(line).rstrip() for line in aligned)

    def _repr_html_(self) -> str:
        head, *body = self._lines()
        rows = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
        for name, *values in body:
            cells = "".join(f'<td style="text-align:right">{html.escape(value)}</td>' for value in values)
            rows.append(f"<th>{html.escape(name)}</th>{cells}")
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"

    def _lines(self) -> list[list[str]]:
        names = self.columns
        body = [[str(key), *(shown(values.get(name)) for name in names)] for key, values in self.items()]
        if len(body) > 2 * PRINTED:
            body = [*body[:PRINTED], ["..."] * (1 + len(names)), *body[-PRINTED:]]
        return [[self.key_name, *names], *body]


class CharacteristicsTable(Table[str]):
    """The characteristics of layers: `table["hidden"]["stable_rank"]`.

    A mapping from layer names to dicts of characteristics. It prints as a table, also in notebooks.

    Args:
        layers: `{layer name: {characteristic: value}}`, values floats or arrays.
        samples: The number of samples per layer.

    Examples:
        >>> from keras_repreg.characteristics import CharacteristicsTable
        >>> table = CharacteristicsTable({"hidden": {"sparsity": 0.25, "stable_rank": 3.1416}})
        >>> table
        layer   sparsity  stable_rank
        hidden      0.25        3.142
        >>> table["hidden"]["sparsity"]
        0.25
    """

    key_name = "layer"

    def __init__(self, layers: Mapping[str, Mapping[str, Any]], samples: Mapping[str, int] | None = None):
        super().__init__(layers)
        self.samples = dict(samples or {})

    @property
    def characteristics(self) -> tuple[str, ...]:
        """The names of the characteristics."""
        return self.columns


class UnitsTable(Table[int]):
    """Statistics of the units of a layer, one row per unit: `table[3]["variance"]`.

    A mapping from the index of a unit to a dict, built from `{unit: {column: value}}`. It prints as a table, also in
    notebooks.
    """

    key_name = "unit"


def shown(value: Any) -> str:
    """Return a value with four significant digits."""
    if value is None:
        return ""
    if isinstance(value, np.ndarray):
        return f"[{value.size} values]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, (str, int)) else f"{value:.4g}"


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _cell(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return " ".join(map(repr, value.tolist()))
    return "" if value is None else str(value)
