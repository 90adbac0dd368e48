"""Show the progress and the remaining time of a command, only on a terminal."""

import sys
import time
from collections import Counter

from keras_repreg.commands.text import printable, shortened

# Seconds before the first line, and between lines.
FIRST, EVERY = 2.0, 0.5


class Progress:
    """One line on stderr that is rewritten, and cleared at the end.

    Work is counted in steps of several kinds, because a batch and a plot take different times.

    Args:
        quiet: Show nothing, as if stderr were not a terminal.
    """

    def __init__(self, quiet: bool):
        self._active = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._start = self._last = time.monotonic()
        self._shown = 0.0
        self._expected: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()

    def expect(self, **steps: int) -> None:
        """Add to the expected number of steps of each kind."""
        self._expected.update(steps)

    def say(self, text: str) -> None:
        """Show a step that takes an unknown time."""
        if self._active:
            self._write(text)

    def step(self, kind: str, text: str) -> None:
        """Count a completed step of this kind; `text` describes the current work."""
        now = time.monotonic()
        self._done[kind] += 1
        self._seconds[kind] += now - self._last  # type: ignore[assignment]
        self._last = now
        if self._active and now - self._start > FIRST and now - self._shown > EVERY:
            self._shown = now
            self._write(f"{text}, {left(self.seconds_left)} left")

    @property
    def seconds_left(self) -> float:
        """The remaining time, from the mean time per step of each kind."""
        return sum(
            max(number - self._done[kind], 0) * self._seconds[kind] / self._done[kind]
            for kind, number in self._expected.items()
            if self._done[kind]
        )

    def end(self) -> None:
        """Clear the line."""
        if self._active:
            self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{shortened(printable(text), 78)}")
        sys.stderr.flush()


def left(seconds: float) -> str:
    """Return a time in readable units.

    Examples:
        >>> left(4.4), left(200), left(8000)
        ('4 s', '3 min', '2.2 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
