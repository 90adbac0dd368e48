"""Which process is at work on which run: two sweeps on the same records divide the runs and repeat none.

A claim is a lock of the operating system on one byte of one file. It ends with its process.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_FILE = ".claims"


@contextlib.contextmanager
def claimed(folder: Path, key: str, *, wait: bool) -> Iterator[bool]:
    """Return whether the run with this key belongs to this process while the context lasts.

    Args:
        folder: Of the records.
        key: Of the run.
        wait: Whether to wait until another process that is at work on it has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _lock(descriptor, int(key[:15], 16), wait)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, byte: int, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # a system without such locks: runs can be made twice there, which does no harm
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True
