"""Rows of times as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_table(head: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """Return a table whose first `left` columns are aligned to the left, and the others to the right."""
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |")]
    lines += ["|" + " --- |" * left + " ---: |" * (len(head) - left)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def spread(row: Mapping[str, Any], name: str, form: str = ".2f", low: str = "low", high: str = "high") -> str:
    """Return the median over turns of a ratio, and its range."""
    median, least, most = (row[f"{name}_{part}"] for part in ("median", low, high))
    return f"{median:{form}} ({least:{form}} to {most:{form}})"
