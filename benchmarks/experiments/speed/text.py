"""Format running times as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_table(head: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """Return a table with the first `left` columns left-aligned and the others right-aligned."""
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |")]
    lines += ["|" + " --- |" * left + " ---: |" * (len(head) - left)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def spread(row: Mapping[str, Any], name: str, form: str = ".2f", low: str = "low", high: str = "high") -> str:
    """Format the median and range of a ratio over turns."""
    median, least, most = (row[f"{name}_{part}"] for part in ("median", low, high))
    return f"{median:{form}} ({least:{form}} to {most:{form}})"
