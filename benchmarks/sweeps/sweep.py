"""Sweeps: many independent runs, each executed by a single-threaded worker that writes a record.

On two cores, two such processes train 1.5 times as many networks per hour as one process with two threads
(`python -m benchmarks speed --only processes`), because the matrices of one network are too small to split.
"""

import os
import sys
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

# Returns the results of a run; `loss` is not finite if training diverged.
Train = Callable[[Any], dict[str, Any]]


def sweep(
    runs: Sequence[Any], train: Train, folder: Path, *, workers: Workers = LOCAL, title: str = "runs"
) -> list[dict[str, Any]]:
    """Train the runs that have no finished or diverged record yet, and return the records of all runs, in order.

    Records made with other data are not reused. Records made with other versions are reused, with a message on stderr.
    Several sweeps can share a folder: each skips the runs that another one is executing and waits for them at the end.

    Args:
        runs: Configurations, as frozen dataclasses. The attribute `dataset`, if any, names a data set.
        train: A module-level function that a worker calls with a run.
        folder: Folder of the records.
        workers: How many processes to use, and where.
        title: Title of the progress bar.
    """
    records.remove_left_over(folder)
    digests = _digests(runs)
    found = {run: record for run in digests if (record := records.outcome(folder, run)) is not None}
    kept = {run: record for run, record in found.items() if records.is_of_data(record, digests[run])}
    lines = records.differences(list(kept.values()))
    if len(kept) < len(found):
        count = f"{len(found) - len(kept)} of {len(found)}"
        lines.append(f"{count} records name other data or none, so their runs are repeated")
    if lines:
        print(f"{title}: {'; '.join(lines)} (--fresh repeats all runs)", file=sys.stderr)
    missing = [run for run in digests if run not in kept]
    if missing:
        with (
            warnings.catch_warnings(),
            workers.ready(),
            tqdm(total=len(digests), initial=len(kept), desc=title, disable=workers.quiet) as bar,
        ):
            # Loky replaces workers that have grown by 300 MB, here with compiled code; no results are lost.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            parallel = joblib.Parallel(return_as=workers.return_as, batch_size=1)
            for wait in (False, True):
                ended = set()
                for record in parallel(
                    joblib.delayed(execute)(
                        train, run, folder, workers.threads, backend.name(), data=digests[run], wait=wait
                    )
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
    return [record for run in runs if (record := records.read(folder, run)) is not None]


def _digests(runs: Sequence[Any]) -> dict[Any, str | None]:
    """Return the digest of the data of each run, reading each data set once."""
    one_of_each = {getattr(run, "dataset", None): run for run in runs}
    digests = {name: records.data_of(run) for name, run in one_of_each.items()}
    return {run: digests[getattr(run, "dataset", None)] for run in runs}


def execute(
    train: Train,
    run: Any,
    folder: Path,
    threads: int = 1,
    chosen: str | None = None,
    *,
    data: str | None = None,
    wait: bool = True,
) -> dict[str, Any] | None:
    """Train one run in this process on the `chosen` backend, and record the outcome.

    If another process is executing it, `wait` for the record or return None. `data` is the digest of the data.
    """
    # Workers of a cluster do not inherit the environment.
    os.environ["KERAS_BACKEND"] = chosen or backend.name()
    with claimed(folder, records.key(run), wait=wait) as ours:
        if not ours:
            return None
        record = records.outcome(folder, run)
        # Another sweep may have recorded it since this one started.
        if record is not None and records.is_of_data(record, data):
            return record
        return _executed(train, run, folder, threads, data)


def _executed(train: Train, run: Any, folder: Path, threads: int, data: str | None) -> dict[str, Any]:
    started = time.time()
    try:
        if data is not None and records.data_of(run) != data:
            raise ValueError(f"Expected data set {run.dataset!r} with digest {data}. Received: {records.data_of(run)}")
        backend.start(threads)
        result = train(run)
    except Exception:
        return records.write(folder, run, records.CRASHED, data=data, error=traceback.format_exc())
    # Comparisons with NaN are false, so NaN counts as diverged.
    status = records.FINISHED if abs(result["loss"]) < float("inf") else records.DIVERGED
    seconds = round(time.time() - started, 2)
    return records.write(folder, run, status, data=data, result=result, wall_seconds=seconds)
