"""Times side by side: functions take turns, so that a change of the machine's speed affects all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Short calls are repeated until a turn lasts this long.
TURN_SECONDS = 0.02


@dataclass(frozen=True)
class Ratio:
    """Median, minimum and maximum over turns of the time of one function relative to that of another."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def take_turns(
    functions: Mapping[str, Callable[[], object]], turns: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds per call of each function in each turn, after two calls to compile and to warm up.

    On a shared machine, `time.process_time` as the clock counts the processor time of this process alone.
    """
    calls = {}
    for name, function in functions.items():
        function()
        started = clock()
        function()
        calls[name] = max(1, min(100, int(TURN_SECONDS / (clock() - started))))
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(turns):
        for name, function in functions.items():
            started = clock()
            for _ in range(calls[name]):
                function()
            seconds[name].append((clock() - started) / calls[name])
    return seconds


def ratio(above: list[float], below: list[float]) -> Ratio:
    """Return the ratio of two lists of times, turn by turn."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))
