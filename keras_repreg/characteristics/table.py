"""What `measure` found: a mapping from layers to their characteristics that prints as a table."""

import csv
import html
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_repreg.files import write_atomically


class CharacteristicsTable(Mapping[str, dict[str, Any]]):
    """The characteristics of layers: `table["hidden"]["stable_rank"]`.

    A mapping from layer names to dicts of characteristics. It prints as a table, in notebooks too.

    Args:
        layers: `{layer name: {characteristic: value}}`, values floats or arrays.
        samples: How many samples each layer was measured on.

    Examples:
        >>> from keras_repreg.characteristics import CharacteristicsTable
        >>> table = CharacteristicsTable({"hidden": {"sparsity": 0.25, "stable_rank": 3.1416}})
        >>> table
        layer   sparsity  stable_rank
        hidden      0.25        3.142
        >>> table["hidden"]["sparsity"]
        0.25
    """

    def __init__(self, layers: Mapping[str, Mapping[str, Any]], samples: Mapping[str, int] | None = None):
        self._layers = {name: dict(values) for name, values in layers.items()}
        self.samples = dict(samples or {})

    def __getitem__(self, layer: str) -> dict[str, Any]:
        return self._layers[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def characteristics(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(dict.fromkeys(name for values in self._layers.values() for name in values))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain dicts, floats and lists, as `json.dumps` takes them."""
        return {layer: {name: _plain(value) for name, value in values.items()} for layer, values in self.items()}

    def rows(self) -> list[dict[str, Any]]:
        """One dict for each layer, with its name under "layer": what `pandas.DataFrame` takes."""
        return [{"layer": layer, **values} for layer, values in self.items()]

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a file with one line for each layer, all digits of each value, and spectra separated by blanks.

        Raises:
            FileExistsError: if the file is there already, unless `overwrite`.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, ["layer", *self.characteristics], lineterminator="\n")
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
        names = self.characteristics
        body = [[layer, *(shown(values.get(name)) for name in names)] for layer, values in self.items()]
        return [["layer", *names], *body]


def shown(value: Any) -> str:
    """A value with four significant digits."""
    if value is None:
        return ""
    if isinstance(value, np.ndarray):
        return f"[{value.size} values]"
    return f"{value:.4g}"


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _cell(value: Any) -> str:
    return " ".join(map(repr, value.tolist())) if isinstance(value, np.ndarray) else str(value)
