"""One JSON record per run, under a hash of the run's configuration.

A record is written once, whole, when its run has ended: well, diverged or crashed. A sweep continues where it stopped:
what finished or diverged is not run again, and what crashed, which can have had a passing cause, is.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.files import write_atomically

# Bumped when a change of the code makes earlier results incomparable.
PROTOCOL = 1
FINISHED, DIVERGED, CRASHED = "finished", "diverged", "crashed"
_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy")


def key(run: Any) -> str:
    """The content hash of a frozen dataclass: equal for equal configurations only."""
    content = json.dumps({"protocol": PROTOCOL, **dataclasses.asdict(run)}, sort_keys=True)
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
    place = folder / f"{record['key']}.json"
    if not place.exists():
        write_atomically(place, json.dumps(record, indent=1))


def read(folder: Path, run: Any) -> dict[str, Any] | None:
    """The record of a run, or None if there is none; a damaged one is set aside, with a word, and None given."""
    place = path(folder, run)
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        content = {FINISHED: "result", DIVERGED: "result", CRASHED: "error"}[record["status"]]
        # As JSON has it, in which a tuple is a list.
        config = json.loads(json.dumps(dataclasses.asdict(run)))
        if record["config"] == config and record[content] and record["environment"]:
            return record
        problem = "it is not the record of this run"
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        problem = repr(error)
    aside = place.with_suffix(".damaged")
    os.replace(place, aside)
    print(f"The record {place} is damaged ({problem}); kept as {aside.name}, the run is repeated.", file=sys.stderr)
    return None


def environment() -> dict[str, Any]:
    """What else a result depends on: versions, machine, commit."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_processor()}",
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
