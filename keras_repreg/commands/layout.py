"""Tables on a terminal: columns that fit, with long names shortened in the middle."""

import os
import shutil
import sys
from collections.abc import Sequence

from keras_repreg.commands.text import columns, printable, shortened

GAP = "  "
# The minimum width of layer names on a narrow terminal.
NARROWEST = 12


def terminal_width() -> int | None:
    """Return the width of the terminal, or None if the output is not a terminal and no width is set."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines of a table, with the first column left-aligned and the others right-aligned.

    If the table is too wide, headers are broken at underscores, then names are shortened, then the last columns are
    omitted and listed below the table.

    Args:
        header: The names of the columns.
        rows: The cells.
        width: The width of the terminal, or None for no limit.
    """
    header = [printable(cell) for cell in header]
    rows = [[printable(cell) for cell in row] for row in rows]
    heads = [[cell] for cell in header]
    if width is None or _total([heads, *[[[cell] for cell in row] for row in rows]]) <= width:
        return _aligned(heads, rows)
    heads = [cell.split("_") for cell in header]
    widths = [max(map(columns, head)) for head in heads]
    for row in rows:
        widths = [max(w, columns(cell)) for w, cell in zip(widths, row, strict=True)]
    values = list(widths[1:])
    while len(values) > 1 and sum(values) + len(GAP) * len(values) + min(widths[0], NARROWEST) > width:
        values.pop()
    shown, left_out = 1 + len(values), header[1 + len(values) :]
    first = max(width - sum(values) - len(GAP) * len(values), NARROWEST)
    lines = _aligned(heads[:shown], [[shortened(row[0], first), *row[1:shown]] for row in rows])
    if left_out:
        text = f"not shown: {', '.join(left_out)} (--wide shows all)"
        lines.append(text)
    return lines


def _total(cells: list[list[list[str]]]) -> int:
    widths = [max(columns(line) for row in cells for line in row[i]) for i in range(len(cells[0]))]
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _aligned(heads: list[list[str]], rows: Sequence[Sequence[str]]) -> list[str]:
    height = max(map(len, heads))
    lines = [[head[i - height] if i >= height - len(head) else "" for head in heads] for i in range(height)]
    lines += [list(row) for row in rows]
    widths = [max(columns(line[i]) for line in lines) for i in range(len(heads))]
    return [
        GAP.join(
            cell + " " * (w - columns(cell)) if i == 0 else " " * (w - columns(cell)) + cell
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
