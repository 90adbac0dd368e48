"""A sweep of tiny runs that can be killed, with the worker processes of the experiments.

Run it as `python -c "from tests.stress.sweeping import main; main(FOLDER, RUNS, SECONDS, WORKERS)"`, so that workers
import this module by name. Only the killed processes import it. They import neither Keras nor a backend, so that they
start within a second wherever the tests run.
"""

import os
import sys
import time
from pathlib import Path

# In a command of this name the package imports Keras only when it is needed. Workers inherit the arguments.
sys.argv[0] = "keras-repreg"

from benchmarks.failures import run_reporting_errors  # noqa: E402
from benchmarks.sweeps import workers  # noqa: E402
from benchmarks.sweeps.sweep import sweep  # noqa: E402
from benchmarks.training import backend  # noqa: E402
from tests.stress.tiny import runs  # noqa: E402

backend.start = lambda threads: None
workers.begin = workers.watch


def train(run):
    """Write a line when the run starts, and another when it ends."""
    for word in ("started", "ended"):
        with open(os.path.join(run.folder, f"{run.number}.{word}"), "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if word == "started":
            time.sleep(run.seconds)
    return {"loss": 0.5, "square": run.number**2, "weight": "x" * 20_000}


def main(folder, number, seconds, jobs):
    """Run a sweep as a command does, with its handling of signals and dead workers."""
    place = Path(folder)

    def sweep_all():
        sweep(runs(place, number, seconds), train, place / "records", workers=workers.Workers(jobs, quiet=True))
        return 0

    sys.exit(run_reporting_errors(sweep_all))
