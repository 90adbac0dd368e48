"""Count the runs of each kind that finished, diverged or crashed, and show the errors of crashed runs."""

import argparse
from collections import Counter
from typing import Any

from benchmarks import command
from benchmarks.sweeps import records

HELP = "recorded runs and their outcomes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--out", type=command.place, default=command.DEFAULT_OUT, help="folder with the records (default runs)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one line per kind of run, and one per crashed run."""
    folder = arguments.out / "records"
    if not folder.is_dir():
        raise ValueError(f"Expected a folder of records. Received: {folder}, which does not exist")
    counts: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    crashes = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = records.read_file(path)
            kind, outcome = kind_of(record["config"]), record["status"]
        except (ValueError, KeyError, OSError):
            kind, outcome, record = "damaged records", "damaged", {}
        counts.setdefault(kind, Counter())[outcome] += 1
        seconds[kind] += record.get("wall_seconds", 0)
        if outcome == records.CRASHED:
            crashes.append(f"{path.name}: {record['config']} {' '.join(record['error'].strip().splitlines()[-1:])}")
    for kind, outcomes in sorted(counts.items()):
        words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
        print(f"{kind:<40} {words}; {seconds[kind] / 60:.0f} process minutes")
    print("\n".join(crashes) if crashes else f"{sum(map(Counter.total, counts.values()))} record(s) in {folder}")
    return 0


def kind_of(config: dict[str, Any]) -> str:
    """Return the experiment of a run, or its data set and the fields that differ from the default."""
    if "experiment" in config:
        return str(config["experiment"])
    samples = f", {config['samples']} samples" if config["samples"] else ""
    width = f", width {config['width']}" if config["width"] != 100 else ""
    return f"{config['dataset']}{samples}{width}, {config['epochs']} epochs"
