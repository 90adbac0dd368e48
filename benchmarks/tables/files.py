"""Results that replace no others."""

import os
from pathlib import Path

from keras_repreg.files import write_atomically


def write_keeping_old(path: Path, content: str | bytes) -> Path | None:
    """As `write_atomically`; a file that is there with other content is kept under a numbered name, returned."""
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
        kept.unlink()  # the file itself is still there
        raise
    return kept
