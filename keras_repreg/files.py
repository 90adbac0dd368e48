"""Write files atomically: to a temporary file in the same folder, which is then renamed."""

import errno
import os
import stat
import tempfile
from pathlib import Path

# Errors of file systems without hard links (FAT, some network and cloud mounts) or without permissions.
_UNSUPPORTED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
_KINDS = (
    (stat.S_ISREG, "file"), (stat.S_ISLNK, "symbolic link"), (stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"),
)  # fmt: skip


def kind_of(path: Path) -> str | None:
    """Return the kind of a path, such as "file", "symbolic link", "directory" or "device", or None if it is free."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return next((kind for is_one, kind in _KINDS if is_one(mode)), "special file")


def write_atomically(path: Path, content: str | bytes, *, overwrite: bool = True) -> None:
    """Write a file atomically, with text in UTF-8: neither a reader nor a crash ever leaves a partial file.

    Only regular files are replaced, never a symbolic link, device, FIFO or directory. On file systems without hard
    links, a file written with `overwrite=False` is empty for a moment.

    Raises:
        FileExistsError: if the file exists already, unless `overwrite`, or if something other than a file exists.
    """
    kind = kind_of(path)
    if kind not in (None, "file"):
        raise FileExistsError(
            errno.EEXIST, f"Expected a regular file to replace. Received: a {kind}, which is kept", str(path)
        )
    data = content.encode() if isinstance(content, str) else memoryview(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The full name plus a suffix could exceed the maximum length.
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
    """Set the permissions given by the umask; mkstemp creates files that only the owner can read."""
    umask = os.umask(0)
    os.umask(umask)
    try:
        os.chmod(temporary, 0o666 & ~umask)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _move_without_replacing(temporary: str, path: Path) -> None:
    """Rename a file without ever replacing another, even one created in the meantime."""
    try:
        os.link(temporary, path)
    except FileExistsError:  # the original error names the temporary file first
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
    """Create an empty file of an unused name, without a hard link."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "There is such a file, and overwrite=False keeps it", str(path)) from None
