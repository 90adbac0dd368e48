"""The available memory."""

import os
from pathlib import Path

# Assumed if the system does not report it.
ASSUMED = 16 << 30


def available_memory() -> int:
    """Return the number of bytes that can be allocated without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return ASSUMED


def in_words(number: int) -> str:
    """Return a number of bytes in readable units."""
    return f"{number / 2**30:,.1f} GiB" if number >= 2**30 else f"{number / 2**20:,.0f} MiB"
