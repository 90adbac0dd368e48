"""Count the runs of each kind that finished, diverged or crashed, and show why runs crashed."""

import argparse
from collections import Counter
from typing import Any

from benchmarks import command
from benchmarks.sweeps import records

HELP = "what has been run, and with what outcome"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line's arguments."""
    parser.add_argument(
        "--out", type=command.place, default=command.DEFAULT_OUT, help="folder of the records (default runs)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one line per kind of run, and one per run that crashed."""
    folder = arguments.out / "records"
    if not folder.is_dir():
        raise ValueError(f"Expected a folder of records. Received: {folder}, which is not there")
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
        print(f"{kind:<40} {words}; {seconds[kind] / 60:.0f} minutes of one process")
    print("\n".join(crashes) if crashes else f"{sum(map(Counter.total, counts.values()))} record(s) in {folder}")
    return 0


def kind_of(config: dict[str, Any]) -> str:
    """Return what a run belongs to: its experiment, or its data set and what differs from the default."""
    if "experiment" in config:
        return str(config["experiment"])
    samples = f", {config['samples']} samples" if config["samples"] else ""
    width = f", width {config['width']}" if config["width"] != 100 else ""
    return f"{config['dataset']}{samples}{width}, {config['epochs']} epochs"
