"""Print untrusted text on a terminal: control characters made visible, long names shortened."""

import sys
import unicodedata


def printable(text: object) -> str:
    r"""Return text with control, format and line-break characters shown as Python escapes.

    Examples:
        >>> print(printable("a\x1b[31mb\u202e"))
        a\x1b[31mb\u202e
    """
    found = str(text)
    if found.isprintable():
        return found
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in found)


def columns(text: str) -> int:
    """Return the number of terminal columns that a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )  # fmt: skip


def shortened(text: str, width: int) -> str:
    """Shorten text to at most `width` columns by omitting the middle.

    Examples:
        >>> len(shortened("block_3_branch_1_convolution", 12))
        12
    """
    if columns(text) <= width:
        return text
    mark = "…" if (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf") else "~"
    tail = (width - 1) // 2
    return _head(text, width - 1 - tail) + mark + _head(text[::-1], tail)[::-1]


def _head(text: str, width: int) -> str:
    end, used = 0, 0
    while end < len(text) and used + columns(text[end]) <= width:
        used += columns(text[end])
        end += 1
    return text[:end]


def size(number: float) -> str:
    """Return a number of bytes in readable units.

    Examples:
        >>> size(1_500_000_000), size(2_000)
        ('1.5 GB', '2 kB')
    """
    for unit, power in (("PB", 15), ("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {unit}" if number < 10 ** (power + 3) else f"{number:.1e} bytes"
    return f"{number:.0f} bytes"
