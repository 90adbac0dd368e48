"""The gain of a sweep with one process per core, relative to one process with one thread per core.

The networks are those of Table 6, one per regularizer. All processes are started before the clock, because in a sweep
they start only once.
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.experiments.speed.text import as_table, spread
from benchmarks.experiments.speed.timing import ratio
from benchmarks.experiments.table6 import DEFAULT_RUN
from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import Workers
from benchmarks.training.mnist import train
from keras_repreg.regularizer_set import REGULARIZERS


def compare(turns: int = 5, _clock: str = "wall", *, smoke: bool = False) -> list[dict[str, Any]]:
    """Return one row: median networks per hour of both, and their ratio. Always in wall-clock time."""
    cores = os.cpu_count() or 1
    run = replace(DEFAULT_RUN, epochs=1, samples=1000) if smoke else DEFAULT_RUN
    runs = [replace(run, regularizer=name, weight=0.01) for name in list(REGULARIZERS)[: 2 if smoke else None]]
    ways = {"processes": Workers(cores, quiet=True), "threads": Workers(1, quiet=True, threads=cores)}
    short = [replace(run, epochs=1, samples=100, seed=seed) for seed in range(cores)]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, workers in ways.items():
            _train_all(short, workers)  # starts the processes, or restarts them after an idle timeout
            started = time.perf_counter()
            _train_all(runs, workers)
            seconds[name].append(time.perf_counter() - started)
    gain = ratio(seconds["threads"], seconds["processes"])
    an_hour = {name: 3600 * len(runs) / sorted(found)[len(found) // 2] for name, found in seconds.items()}
    return [
        {
            "cores": cores,
            "epochs": run.epochs,
            "processes_an_hour": an_hour["processes"],
            "threads_an_hour": an_hour["threads"],
            "ratio_median": gain.median,
            "ratio_low": gain.low,
            "ratio_high": gain.high,
        }
    ]


def _train_all(runs: list[Any], workers: Workers) -> None:
    """Train the runs without reusing records."""
    with tempfile.TemporaryDirectory() as folder:
        found = sweep(runs, train, Path(folder), workers=workers)
    unfinished = [record for record in found if record["status"] != "finished"]
    if unfinished:
        raise ValueError(f"Expected all networks to be trained. Received: {unfinished[0]}")


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the row as Markdown."""
    return as_table(
        ("cores", "one thread per process", "one process", "ratio (min to max)"),
        (
            (
                f"{row['cores']:.0f}",
                f"{row['processes_an_hour']:.0f} an hour",
                f"{row['threads_an_hour']:.0f} an hour",
                spread(row, "ratio"),
            )
            for row in rows
        ),
    )
