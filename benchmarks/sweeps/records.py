"""One JSON record per run, named by a hash of the run's configuration.

A record is written atomically when its run has finished, diverged or crashed. An interrupted sweep continues where it
stopped: runs that finished or diverged are repeated only if their data have changed. Crashed runs are repeated, since
the cause may be temporary.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras_repreg
from benchmarks import data
from benchmarks.training import backend
from keras_repreg.files import kind_of, write_atomically

# Increased when a code change makes earlier results incomparable.
PROTOCOL = 1
FINISHED, DIVERGED, CRASHED = "finished", "diverged", "crashed"
# An unfinished file older than this was left by a killed process.
LEFT_OVER_SECONDS = 3600


def key(run: Any) -> str:
    """Return a hash of the configuration, a frozen dataclass, and of the backend."""
    # Backends draw different random numbers. TensorFlow is left out, so that keys of old records stay valid.
    elsewhere = {} if backend.name() == "tensorflow" else {"backend": backend.name()}
    content = json.dumps({"protocol": PROTOCOL, **elsewhere, **dataclasses.asdict(run)}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def path(folder: Path, run: Any) -> Path:
    """Return the path of the record of a run."""
    return folder / f"{key(run)}.json"


def data_of(run: Any) -> str | None:
    """Return the digest of a run's data set, or None for a run without one."""
    name = getattr(run, "dataset", None)
    return None if name is None else data.digest(name)


def write(folder: Path, run: Any, status: str, *, data: str | None = None, **content: Any) -> dict[str, Any]:
    """Write and return the record of a run that has ended; `data` is the digest of its data set."""
    record = {
        "key": key(run),
        "config": dataclasses.asdict(run),
        "data": data,
        "status": status,
        **content,
        "environment": environment(),
    }
    write_atomically(path(folder, run), json.dumps(record, indent=1))
    return record


def keep(folder: Path, record: dict[str, Any]) -> None:
    """Write a record that a worker may have written to another file system."""
    place, content = folder / f"{record['key']}.json", json.dumps(record, indent=1)
    if not place.is_file() or place.read_text(encoding="utf-8") != content:
        write_atomically(place, content)


def read(folder: Path, run: Any) -> dict[str, Any] | None:
    """Return the record of a run, or None if there is none; rename a damaged one, and report it on stderr."""
    place = path(folder, run)
    try:
        record = read_file(place)
        # JSON turns tuples into lists.
        if record["config"] == json.loads(json.dumps(dataclasses.asdict(run))):
            return record
        problem = "it is not the record of this run"
    except FileNotFoundError:
        return None
    except ValueError as error:
        problem = str(error)
    aside = _set_aside(place)
    print(
        f"The record {place} is damaged ({problem}); it is now {aside.name}, and the run is repeated.", file=sys.stderr
    )
    return None


def outcome(folder: Path, run: Any) -> dict[str, Any] | None:
    """Return the record of a run if it finished or diverged, otherwise None."""
    record = read(folder, run)
    return record if record is not None and record["status"] != CRASHED else None


def read_file(place: Path) -> dict[str, Any]:
    """Return the record in a file.

    Raises:
        ValueError: if it is not a record.
        OSError: if the file cannot be read.
    """
    # Opening a FIFO blocks until there is a writer, and reading a device may never end.
    if not stat.S_ISREG(place.stat().st_mode):
        raise ValueError(f"it is not a file but a {kind_of(place)}")
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    status = record.get("status")
    content = {FINISHED: ("result", dict), DIVERGED: ("result", dict), CRASHED: ("error", str)}
    if not isinstance(status, str) or status not in content:
        raise ValueError(f"it has status {status!r}")
    for name, kind in (content[status], ("config", dict), ("environment", dict)):
        if not isinstance(record.get(name), kind) or not record[name]:
            raise ValueError(f"it has no {name}")
    environment = record["environment"]
    if not {"python", "versions", "machine"} <= set(environment) or not isinstance(environment["versions"], dict):
        raise ValueError("its environment is incomplete")
    if not isinstance(record.get("wall_seconds", 0), (int, float)):
        raise ValueError("its wall_seconds is not a number")
    return record


def _set_aside(place: Path) -> Path:
    """Rename a damaged record to a name that no earlier one has."""
    number, aside = 0, place.with_suffix(".damaged")
    while aside.exists():
        number += 1
        aside = place.with_suffix(f".{number}.damaged")
    with contextlib.suppress(FileNotFoundError):  # another sweep has just renamed it
        os.replace(place, aside)
    return aside


def remove_left_over(folder: Path) -> None:
    """Remove the unfinished files of processes that were killed while writing a record."""
    for unfinished in folder.glob(".*.json.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - unfinished.stat().st_mtime > LEFT_OVER_SECONDS:
                unfinished.unlink()


def environment() -> dict[str, Any]:
    """Return the versions, machine and commit that a result depends on."""
    versions: dict[str, str] = {}
    for package in ("keras", *backend.PACKAGES.get(backend.name(), ()), "numpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    versions["keras-repreg"] = keras_repreg.__version__
    parts = [f"{os.cpu_count()} cores", _processor(), *backend.accelerators()]
    return {
        "python": platform.python_version(),
        "versions": versions,
        "machine": ", ".join([f"{platform.system()} {platform.machine()}", *parts]),
        "commit": _commit(),
    }


def is_of_data(record: dict[str, Any], data: str | None) -> bool:
    """Return whether a record was made with the data of this digest; True for a run without data."""
    return data is None or record.get("data") == data


def differences(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return how versions in reused records differ from this process, as "12 of 12 records were made with ..."."""
    ours = environment()["versions"]
    counts = Counter(
        f"{package} {version}"
        for record in found
        for package, version in record["environment"]["versions"].items()
        if ours.get(package, version) != version
    )
    return [f"{count} of {len(found)} records were made with {text}" for text, count in sorted(counts.items())]


def discard(folder: Path, runs: Iterable[Any], before: float) -> None:
    """Remove the records of these runs that were written before a time, in seconds since 1970."""
    for run in runs:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if path(folder, run).stat().st_mtime < before:
                path(folder, run).unlink()


def provenance(found: Sequence[dict[str, Any]]) -> str:
    """Return the provenance of a table for a comment line: commits, and a digest of all configurations and data."""
    commits = sorted({str(record["environment"].get("commit")) for record in found})
    content = sorted(json.dumps([record["config"], record.get("data")], sort_keys=True) for record in found)
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
    return f"commit {', '.join(commits)}; configuration {digest}; {len(found)} records"


def environments(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the distinct environments of the records."""
    distinct = {json.dumps(record["environment"], sort_keys=True): record["environment"] for record in found}
    return list(distinct.values())


def in_words(environment: dict[str, Any]) -> str:
    """Return the machine and versions of an environment as text."""
    versions = ", ".join(f"{package} {version}" for package, version in environment["versions"].items())
    return f"{environment['machine']}; Python {environment['python']}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str | None:
    try:
        arguments = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        here = Path(__file__).parent
        return subprocess.run(arguments, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
