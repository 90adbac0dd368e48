"""A table as a file of values separated by commas, with all digits."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from keras_repreg.commands.text import printable


def csv_text(table: Mapping[str, Mapping[str, Any]], columns: Sequence[str]) -> str:
    """One line for each layer; names made printable, the values of an array separated by blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", *map(printable, columns)])
    for layer, values in table.items():
        writer.writerow([printable(layer), *(_cell(values[column]) for column in columns)])
    return text.getvalue()


def _cell(value: Any) -> str:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return " ".join(map(repr, plain)) if isinstance(plain, list) else repr(plain)
