"""Locks on runs, so that two sweeps with the same folder of records share the runs and repeat none.

Each lock is an operating system lock on one byte of a file, which is released when its process ends.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_FILE = ".claims"


@contextlib.contextmanager
def claimed(folder: Path, key: str, *, wait: bool) -> Iterator[bool]:
    """Try to lock a run for the duration of the context; yield whether this process holds the lock.

    Args:
        folder: Folder of the records.
        key: Key of the run.
        wait: Whether to wait until a process that holds the lock releases it.
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
    except ImportError:  # a system without such locks; at worst a run is executed twice
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True
