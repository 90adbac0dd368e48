"""Files that are either whole or not there: written beside their place, then moved into it."""

import errno
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, *, overwrite: bool = True) -> None:
    """Write a file, text in UTF-8, so that no reader, and no crash, ever sees a part of it.

    Raises:
        FileExistsError: if the file is there already, unless `overwrite`.
    """
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
        if overwrite:
            os.replace(temporary, path)
        else:
            _link(temporary, path)
            Path(temporary).unlink()
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _link(temporary: str, path: Path) -> None:
    """Name a file, which never replaces one, whoever made that in the meantime."""
    try:
        os.link(temporary, path)
    except FileExistsError:  # Python's own has the temporary name first
        raise FileExistsError(errno.EEXIST, "There is such a file, and overwrite=False keeps it", str(path)) from None
