"""Read the size of an image from its header, before decoding it."""

import struct
from pathlib import Path
from typing import BinaryIO


def image_size(path: Path) -> tuple[int, int] | None:
    """Return the height and width of a PNG, GIF, BMP or JPEG image, or None for other files."""
    with path.open("rb") as file:
        start = file.read(26)
        try:
            if start.startswith(b"\x89PNG\r\n\x1a\n"):
                width, height = struct.unpack(">II", start[16:24])
            elif start[:6] in (b"GIF87a", b"GIF89a"):
                width, height = struct.unpack("<HH", start[6:10])
            elif start[:2] == b"BM":
                width, height = map(abs, struct.unpack("<ii", start[18:26]))
            elif start[:3] == b"\xff\xd8\xff":
                return _jpeg(file)
            else:
                return None
        except struct.error:
            return None
        return height, width


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """Return the size in the first frame header among the segments."""
    file.seek(2)
    while True:
        mark, kind = file.read(1), file.read(1)
        while kind == b"\xff":  # padding
            kind = file.read(1)
        if mark != b"\xff" or not kind:
            return None
        if kind[0] in range(0xC0, 0xD0) and kind[0] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", file.read(7)[3:])
            return height, width
        (length,) = struct.unpack(">H", file.read(2))
        file.seek(max(length - 2, 0), 1)
