"""Compare running times of functions that take turns, so that changes in the machine's speed affect all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
# Short calls are repeated so that a turn lasts at least this long.
TURN_SECONDS = 0.02


@dataclass(frozen=True)
class Ratio:
    """Median, minimum and maximum over turns of the ratio of two functions' times."""

    median: float
    low: float
    high: float


def take_turns(
    functions: Mapping[str, Callable[[], object]], turns: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds per call of each function in each turn, after two calls to compile and to warm up.

    On a shared machine, use `time.process_time` as the clock: it counts the processor time of this process alone.
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
