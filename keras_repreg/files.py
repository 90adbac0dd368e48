"""Files that are either whole or not there: written beside their place, then moved into it."""

import errno
import os
import stat
import tempfile
from pathlib import Path

# What systems say that have no hard links (FAT, some network and cloud mounts), or no permissions to set.
_UNSUPPORTED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
_KINDS = (
    (stat.S_ISREG, "file"), (stat.S_ISLNK, "symbolic link"), (stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"),
)  # fmt: skip


def kind_of(path: Path) -> str | None:
    """What is at a path: "file", "symbolic link", "directory", "device" and so on; None for nothing."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return next((kind for is_one, kind in _KINDS if is_one(mode)), "special file")


def write_atomically(path: Path, content: str | bytes, *, overwrite: bool = True) -> None:
    """Write a file, text in UTF-8, so that no reader, and no crash, ever sees a part of it.

    Only a regular file is ever replaced: a symbolic link, a device, a FIFO or a directory stays what it is. Where there
    are no hard links, a file that must not replace another is for a moment seen empty.

    Raises:
        FileExistsError: if the file exists already, unless `overwrite`, or if something other than a file exists.
    """
    kind = kind_of(path)
    if kind not in (None, "file"):
        raise FileExistsError(errno.EEXIST, f"Expected a file to write. Received: a {kind}, which is kept", str(path))
    data = content.encode() if isinstance(content, str) else memoryview(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name as long as the system allows leaves no space for more.
    name = path.name if len(os.fsencode(path.name)) < 200 else path.name[:40]
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _open_to_all(temporary)
        if overwrite:
            os.replace(temporary, path)
        else:
            _move_without_replacing(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _open_to_all(temporary: str) -> None:
    """mkstemp's files are the owner's alone; a result is for everybody whom the umask allows."""
    umask = os.umask(0)
    os.umask(umask)
    try:
        os.chmod(temporary, 0o666 & ~umask)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _move_without_replacing(temporary: str, path: Path) -> None:
    """Name a file, which never replaces one, whoever made that in the meantime."""
    try:
        os.link(temporary, path)
    except FileExistsError:  # Python's own has the temporary name first
        raise FileExistsError(errno.EEXIST, "There is such a file, and overwrite=False keeps it", str(path)) from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _take_name(path)
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    else:
        Path(temporary).unlink()


def _take_name(path: Path) -> None:
    """Make an empty file of a name that nobody has, without a hard link."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "There is such a file, and overwrite=False keeps it", str(path)) from None
