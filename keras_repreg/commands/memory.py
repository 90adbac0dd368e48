"""Determine the free memory, and refuse work that needs more than a fraction of it."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import size

# The maximum fraction of the free memory that a command may use, by its own estimate.
SHARE = 0.5
# Files with the memory limits of a container.
CGROUP = Path("/sys/fs/cgroup")


def free() -> int | None:
    """Return the bytes that can be allocated without swapping, within container limits, or None if unknown."""
    found = [value for value in (_of_the_system(), _of_the_container()) if value is not None]
    return min(found, default=None)


def _of_the_system() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        matched = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if matched:
            return int(matched[1]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):  # macOS: the total rather than the free memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _of_the_container() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit != "max":
            return max(int(limit) - int(used), 0)
    return None


def check(needed: float, what: str, advice: str = "", share: float = SHARE) -> None:
    """Compare an estimate with the free memory.

    Raises:
        Refusal: if `what` needs more than the fraction `share` of it.
    """
    available = free()
    if available is not None and needed > share * available:
        raise Refusal(
            f"{what}: {size(needed)} of memory needed, more than {share:.0%} of the {size(available)} that are free"
            + (f"; {advice}" if advice else "")
        )


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Make allocations beyond the free memory fail within the context, so that a command ends with a message.

    Otherwise the system might kill this process or another one silently. This requires system support for such limits.
    """
    try:
        import resource

        used = int(re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024  # type: ignore[index]
    except (ImportError, OSError, TypeError):
        yield
        return
    available = free()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = None if available is None else used + available
    if limit is None or (soft != resource.RLIM_INFINITY and soft < limit):
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
