"""Times side by side, in five parts.

`kernels`: each penalty's value and gradient, beside a loop over classes. `steps`: what each adds to a step of training.
`epochs`: one epoch inside a compiled function, as in these experiments, against one of plain `model.fit`.
`processes`: a sweep with one process per core, against one process with one thread per core.
`measure`: characteristics of layers against `predict`, and a training with them against one without.

What is compared runs in turns, so that a change of the machine's speed affects all, and each turn gives one ratio.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks import command
from benchmarks.sweeps import records
from benchmarks.tables.aggregate import as_csv
from benchmarks.training import backend

HELP = "times side by side: penalties, training steps, epochs, sweeps, characteristics"

PARTS = ("kernels", "steps", "epochs", "processes", "measure")
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line's arguments."""
    parser.add_argument("--repeats", type=command.positive, default=5, help="turns that each takes (default 5)")
    parser.add_argument("--only", choices=PARTS, default=None, help="one of the parts (default: all)")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="wall clock, or on a shared machine the processor time of this process",
    )
    command.add_place_arguments(parser, "smallest sizes and two turns: does it run?")


def run(arguments: argparse.Namespace) -> int:
    """Time, print, and write the ratios, one part after the other."""
    out = command.folder(arguments)
    repeats = 2 if arguments.smoke else arguments.repeats
    backend.start(threads=os.cpu_count() or 1)
    environment = records.environment()
    setting = f"{records.in_words(environment)}; {arguments.clock} clock, {repeats} turns"
    written = []
    for part in PARTS if arguments.only is None else (arguments.only,):
        rows, markdown = measure(part, repeats, arguments.clock, smoke=arguments.smoke)
        print(f"\n{markdown}", flush=True)
        comment = f"commit {environment['commit']}; {setting}"
        written.append(command.write(out / f"speed_{part}.csv", as_csv(rows, comment)))
        written.append(command.write(out / f"speed_{part}.md", f"{markdown}\nOn {setting}.\n"))
    print(setting)
    print(f"Written: {', '.join(str(path) for path in written)}")
    return 0


def measure(part: str, repeats: int, clock: str, *, smoke: bool = False) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of a part, and these as Markdown; the backend has been started."""
    from benchmarks.experiments.speed import epochs, kernels, measurements, processes, steps

    rows: list[dict[str, Any]]
    if part == "kernels":
        rows = kernels.compare(kernels.SMOKE_GRID if smoke else kernels.GRID, repeats, CLOCKS[clock])
        return rows, kernels.as_markdown(rows)
    if part == "steps":
        rows = steps.compare(steps.SMOKE_NETWORKS if smoke else tuple(steps.NETWORKS), repeats, CLOCKS[clock])
        return rows, steps.as_markdown(rows)
    if part == "epochs":
        rows = epochs.compare(repeats, 2000 if smoke else None, CLOCKS[clock])
        return rows, epochs.as_markdown(rows)
    if part == "measure":
        rows = measurements.compare(repeats, clock, smoke=smoke)
        print(measurements.profiles(rows))
        return rows, measurements.as_markdown(rows)
    # Only the wall clock sees the work of other processes.
    rows = processes.compare(repeats, smoke=smoke)
    return rows, processes.as_markdown(rows)
