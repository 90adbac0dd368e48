"""A sweep of tiny runs that can be killed, with the worker processes of the experiments.

Run it as `python -c "from tests.stress.sweeping import main; main(FOLDER, RUNS, SECONDS, WORKERS)"`, so that workers
import this module by name. Only the killed processes import it, so that they start no backend.
"""

import os
import sys
import time
from pathlib import Path

from benchmarks.__main__ import run_reporting_errors
from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import Workers
from benchmarks.training import backend
from tests.stress.tiny import runs

backend.start = lambda threads: None


def train(run):
    """Write a line when the run starts, and another when it ends."""
    for word in ("started", "ended"):
        with open(os.path.join(run.folder, f"{run.number}.{word}"), "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if word == "started":
            time.sleep(run.seconds)
    return {"loss": 0.5, "square": run.number**2, "weight": "x" * 20_000}


def main(folder, number, seconds, workers):
    """Run a sweep as a command does, with its handling of signals and dead workers."""
    place = Path(folder)

    def sweep_all():
        sweep(runs(place, number, seconds), train, place / "records", workers=Workers(workers, quiet=True))
        return 0

    sys.exit(run_reporting_errors(sweep_all))
