"""Files that are either whole or not there: written beside their place, then moved into it."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8, so that no reader, and no crash, ever sees a part of it."""
    data = content.encode() if isinstance(content, str) else memoryview(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are the owner's alone; a result is for everybody whom the umask allows.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_keeping_old(path: Path, content: str | bytes) -> Path | None:
    """As `write_atomically`; a file that is there with other content is kept under a numbered name, returned."""
    if not path.exists() or path.read_bytes() == (content.encode() if isinstance(content, str) else content):
        write_atomically(path, content)
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    os.link(path, kept)
    write_atomically(path, content)
    return kept
