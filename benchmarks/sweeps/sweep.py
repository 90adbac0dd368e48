"""Many independent runs, each on a worker with one thread, each leaving a record.

On two cores, two such processes train 1.5 times as many networks an hour as one process with two threads
(`python -m benchmarks speed --only processes`): the matrices of one network are too small to share out.
"""

import os
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
from tqdm import tqdm

from benchmarks.sweeps import records
from benchmarks.sweeps.locks import claimed
from benchmarks.sweeps.workers import LOCAL, Workers
from benchmarks.training import backend

# Gives the results of a run, with a non-finite `loss` where training diverged.
Train = Callable[[Any], dict[str, Any]]


def sweep(
    runs: Sequence[Any], train: Train, folder: Path, *, workers: Workers = LOCAL, title: str = "runs"
) -> list[dict[str, Any]]:
    """Run what has no record of an outcome yet; the records of all runs, in order.

    Another sweep may be at work on the same folder: what it has begun is left to it, and waited for at the end.

    Args:
        runs: Frozen dataclasses, the configurations.
        train: A function of a module, called with a run by a worker.
        folder: Where the records are.
        workers: How many, and where.
        title: Of the progress bar.
    """
    records.remove_left_over(folder)
    missing = [run for run in dict.fromkeys(runs) if not _has_outcome(records.read(folder, run))]
    if missing:
        with (
            warnings.catch_warnings(),
            workers.ready(),
            tqdm(total=len(set(runs)), initial=len(set(runs)) - len(missing), desc=title, disable=workers.quiet) as bar,
        ):
            # A worker that has grown by 300 MB, as compiled code piles up, is replaced; nothing is lost by it.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            parallel = joblib.Parallel(return_as=workers.return_as, batch_size=1)
            for wait in (False, True):
                ended = set()
                for record in parallel(
                    joblib.delayed(execute)(train, run, folder, workers.threads, backend.name(), wait=wait)
                    for run in missing
                ):
                    if record is None:
                        continue
                    ended.add(record["key"])
                    records.keep(folder, record)
                    if record["status"] != records.FINISHED:
                        cause = record.get("error", "").strip().splitlines()[-1:]
                        bar.write(f"{record['status']}: {record['config']} {' '.join(cause)}")
                    bar.update()
                missing = [run for run in missing if records.key(run) not in ended]
    found = [records.read(folder, run) for run in runs]
    return [record for record in found if record is not None]


def _has_outcome(record: dict[str, Any] | None) -> bool:
    return record is not None and record["status"] != records.CRASHED


def execute(
    train: Train, run: Any, folder: Path, threads: int = 1, chosen: str | None = None, *, wait: bool = True
) -> dict[str, Any] | None:
    """One run in this process, on the `chosen` backend; whatever comes of it is recorded.

    Where another process is at work on it, `wait` for its record, or give None.
    """
    # The workers of a cluster have an environment of their own.
    os.environ["KERAS_BACKEND"] = chosen or backend.name()
    with claimed(folder, records.key(run), wait=wait) as ours:
        if not ours:
            return None
        record = records.read(folder, run)
        # Another sweep has made it since this one began.
        return record if record is not None and _has_outcome(record) else _executed(train, run, folder, threads)


def _executed(train: Train, run: Any, folder: Path, threads: int) -> dict[str, Any]:
    started = time.time()
    try:
        backend.start(threads)
        result = train(run)
    except Exception:
        return records.write(folder, run, records.CRASHED, error=traceback.format_exc())
    # Comparisons with NaN are false, so that NaN counts as diverged.
    status = records.FINISHED if abs(result["loss"]) < float("inf") else records.DIVERGED
    return records.write(folder, run, status, result=result, wall_seconds=round(time.time() - started, 2))
