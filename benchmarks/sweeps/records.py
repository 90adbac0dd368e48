"""One JSON record per run, under a hash of the run's configuration.

A record is written once, whole, when its run has ended: well, diverged or crashed. A sweep continues where it stopped:
what finished or diverged is not run again, and what crashed, which can have had a passing cause, is.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.training import backend
from keras_repreg.files import write_atomically

# Bumped when a change of the code makes earlier results incomparable.
PROTOCOL = 1
FINISHED, DIVERGED, CRASHED = "finished", "diverged", "crashed"
# A file in the writing that is older than this is what a process that was killed has left.
LEFT_OVER_SECONDS = 3600


def key(run: Any) -> str:
    """The content hash of a frozen dataclass and the backend: equal for equal configurations only."""
    # Another backend draws other random numbers. TensorFlow goes without saying, as it did when it was the only one.
    elsewhere = {} if backend.name() == "tensorflow" else {"backend": backend.name()}
    content = json.dumps({"protocol": PROTOCOL, **elsewhere, **dataclasses.asdict(run)}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def path(folder: Path, run: Any) -> Path:
    """Where the record of a run is."""
    return folder / f"{key(run)}.json"


def write(folder: Path, run: Any, status: str, **content: Any) -> dict[str, Any]:
    """Write the record of a run that has ended."""
    record = {
        "key": key(run),
        "config": dataclasses.asdict(run),
        "status": status,
        **content,
        "environment": environment(),
    }
    write_atomically(path(folder, run), json.dumps(record, indent=1))
    return record


def keep(folder: Path, record: dict[str, Any]) -> None:
    """Write a record that a worker has written elsewhere, on a file system of its own."""
    place, content = folder / f"{record['key']}.json", json.dumps(record, indent=1)
    if not place.is_file() or place.read_text(encoding="utf-8") != content:
        write_atomically(place, content)


def read(folder: Path, run: Any) -> dict[str, Any] | None:
    """The record of a run, or None if there is none; a damaged one is set aside, with a word, and None given."""
    place = path(folder, run)
    try:
        record = read_file(place)
        # As JSON has it, in which a tuple is a list.
        if record["config"] == json.loads(json.dumps(dataclasses.asdict(run))):
            return record
        problem = "it is not the record of this run"
    except FileNotFoundError:
        return None
    except ValueError as error:
        problem = str(error)
    aside = _set_aside(place)
    print(f"The record {place} is damaged ({problem}); kept as {aside.name}, the run is repeated.", file=sys.stderr)
    return None


def read_file(place: Path) -> dict[str, Any]:
    """The record in a file.

    Raises:
        ValueError: if it is none.
        OSError: if the file cannot be read.
    """
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
    except IsADirectoryError:
        raise ValueError("it is a directory") from None
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
        raise ValueError("its wall_seconds are no number")
    return record


def _set_aside(place: Path) -> Path:
    """Rename a damaged record, so that nothing is lost that was set aside before."""
    number, aside = 0, place.with_suffix(".damaged")
    while aside.exists():
        number += 1
        aside = place.with_suffix(f".{number}.damaged")
    with contextlib.suppress(FileNotFoundError):  # another sweep has done so in the meantime
        os.replace(place, aside)
    return aside


def remove_left_over(folder: Path) -> None:
    """Remove the unfinished files that processes which were killed while they wrote a record have left."""
    for unfinished in folder.glob(".*.json.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - unfinished.stat().st_mtime > LEFT_OVER_SECONDS:
                unfinished.unlink()


def environment() -> dict[str, Any]:
    """What else a result depends on: versions, machine, commit."""
    versions = {}
    for package in ("keras", *backend.PACKAGES.get(backend.name(), ()), "numpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    parts = [f"{os.cpu_count()} cores", _processor(), *backend.accelerators()]
    return {
        "python": platform.python_version(),
        "versions": versions,
        "machine": ", ".join([f"{platform.system()} {platform.machine()}", *parts]),
        "commit": _commit(),
    }


def environments(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The machines, versions and commits that records name, each once."""
    distinct = {json.dumps(record["environment"], sort_keys=True): record["environment"] for record in found}
    return list(distinct.values())


def in_words(environment: dict[str, Any]) -> str:
    """Machine and versions of an environment."""
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
