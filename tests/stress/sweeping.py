"""A sweep of tiny runs, to be killed: `python -m tests.stress.sweeping FOLDER RUNS SECONDS [WORKERS]`."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sweeps import sweep
from benchmarks.sweeps.workers import Workers
from benchmarks.training import backend


@dataclass(frozen=True)
class Tiny:
    number: int
    folder: str
    seconds: float


def train(run):
    """Leaves a line when it begins, and another when it has ended."""
    for word in ("begun", "ended"):
        with open(os.path.join(run.folder, f"{run.number}.{word}"), "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if word == "begun":
            time.sleep(run.seconds)
    return {"loss": 0.5, "square": run.number**2, "weight": "x" * 20_000}


def runs(folder, number, seconds):
    return [Tiny(k, str(folder), seconds) for k in range(number)]


def main(folder, number, seconds, workers=0):
    """With workers as the experiments have them, or without any in this process alone, which needs no TensorFlow."""
    folder = Path(folder)
    planned = runs(folder, int(number), float(seconds))
    if int(workers):
        sweep.sweep(planned, train, folder / "records", workers=Workers(int(workers), quiet=True))
        return
    backend.start = lambda threads: None
    for wait in (False, True):
        for run in planned:
            sweep.execute(train, run, folder / "records", wait=wait)


if __name__ == "__main__":
    main(*sys.argv[1:])
