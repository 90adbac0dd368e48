"""Format a table as comma-separated values with full precision."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from keras_repreg.commands.text import printable


def csv_text(table: Mapping[str, Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return one line per layer, with printable names and arrays separated by spaces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", *map(printable, columns)])
    for layer, values in table.items():
        writer.writerow([printable(layer), *(_cell(values[column]) for column in columns)])
    return text.getvalue()


def _cell(value: Any) -> str:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return " ".join(map(repr, plain)) if isinstance(plain, list) else repr(plain)
