"""Write results without losing earlier ones."""

import os
from pathlib import Path

from keras_repreg.files import write_atomically


def write_keeping_old(path: Path, content: str | bytes) -> Path | None:
    """Write a file atomically; keep an existing file with different content under a numbered name, and return it."""
    if not path.exists() or path.read_bytes() == (content.encode() if isinstance(content, str) else content):
        write_atomically(path, content)
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    os.link(path, kept)
    try:
        write_atomically(path, content)
    except BaseException:
        kept.unlink()  # `path` still has the old content
        raise
    return kept
