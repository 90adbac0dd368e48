"""Shared parts of the commands: arguments, output folders, training, and publishing of tables."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.sweeps import records
from benchmarks.sweeps.sweep import Train, sweep
from benchmarks.sweeps.workers import BACKENDS, Workers
from benchmarks.tables import page, spikes
from benchmarks.tables.aggregate import as_csv, finished_of
from benchmarks.tables.files import write_keeping_old
from benchmarks.tables.published import Published
from benchmarks.tables.table import Table, as_markdown, as_text
from benchmarks.training import backend

DEFAULT_OUT = Path("runs")
SMOKE_SAMPLES = 2000


def positive(text: str) -> int:
    """Parse an integer >= 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text}")
    return value


def place(text: str) -> Path:
    """Parse a path; reject an empty one, which would mean the current folder."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a path, received {text!r}")
    return Path(text)


def add_sweep_arguments(parser: argparse.ArgumentParser, *, epochs: int | None, trials: int = 1) -> None:
    """Add the arguments of commands that train networks; with `epochs=None` each experiment has its own default."""
    parser.add_argument("--trials", type=positive, default=trials, help="networks per setting (default %(default)s)")
    parser.add_argument(
        "--epochs",
        type=positive,
        default=epochs,
        help=f"training epochs (default: {'each experiment has its own' if epochs is None else epochs})",
    )
    add_machine_arguments(parser)


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for where networks are trained and where results are written."""
    parser.add_argument("--jobs", type=positive, default=None, help="processes (default: one per core)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="loky", help="joblib backend: local processes or a cluster"
    )
    parser.add_argument("--address", "--scheduler", help="address of the cluster (default: start one on this machine)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--fresh", action="store_true", help="repeat runs that already have a record")
    parser.set_defaults(started=time.time())
    add_place_arguments(parser, "check that it runs: one epoch on 2,000 samples")


def add_place_arguments(parser: argparse.ArgumentParser, smoke: str) -> None:
    """Add the arguments of every command that writes results."""
    parser.add_argument("--out", type=place, default=DEFAULT_OUT, help="folder for results and records (default runs)")
    parser.add_argument("--smoke", action="store_true", help=smoke)


def machine_flags(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments of `add_machine_arguments` as command-line flags, for a command that runs others."""
    flags = [f"--out={arguments.out}", f"--backend={arguments.backend}"]
    flags += [f"--address={arguments.address}"] if arguments.address else []
    flags += [f"--jobs={arguments.jobs}"] if arguments.jobs else []
    return [*flags, *(f"--{name}" for name in ("smoke", "quiet", "fresh") if getattr(arguments, name))]


def epochs_and_samples(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the epochs and samples of a run, which `--smoke` reduces."""
    if arguments.smoke:
        return {"epochs": 1, "samples": SMOKE_SAMPLES}
    return {"epochs": arguments.epochs, "samples": None}


def folder(arguments: argparse.Namespace) -> Path:
    """Return the folder for results, and create it, so that an unwritable path fails before training."""
    out: Path = arguments.out / "smoke" if arguments.smoke else arguments.out
    out.mkdir(parents=True, exist_ok=True)
    return out


def write(path: Path, content: str | bytes) -> Path:
    """Write a result; keep an existing file with different content under another name, and print that name."""
    kept = write_keeping_old(path, content)
    if kept is not None:
        print(f"{path} existed with different content, which is now in {kept}.")
    return path


def trained(arguments: argparse.Namespace, runs: Sequence[Any], train: Train, heading: str) -> list[dict[str, Any]]:
    """Train the runs that have no record yet, and return the records of all runs."""
    # Raise one error here instead of one in every run.
    backend.checked(backend.name())
    place = folder(arguments) / "records"
    if arguments.fresh:
        records.discard(place, runs, before=arguments.started)
    workers = Workers(arguments.jobs or -1, arguments.backend, arguments.address, arguments.quiet)
    return sweep(runs, train, place, workers=workers, title=heading.split(":")[0])


def publish(
    arguments: argparse.Namespace,
    name: str,
    found: Sequence[dict[str, Any]],
    table: Table,
    png: bytes,
    *,
    heading: str,
    claim: str,
    setting: str,
    deviations: bool = False,
) -> int:
    """Print a table and write it as CSV, JSON, Markdown, PNG and an HTML page.

    Args:
        arguments: The parsed arguments of `add_sweep_arguments`.
        name: Base name of the files.
        found: The records that the table summarizes.
        table: The table.
        png: Its picture.
        heading: Heading of the table.
        claim: What the paper says about it.
        setting: How it was made; machine, versions and the networks that ended in a loss spike are appended.
        deviations: Whether the Markdown shows standard deviations.

    Returns:
        The exit status: 1 if runs did not finish, otherwise 0.
    """
    out = folder(arguments)
    place = out / "records"
    environments = records.environments(found)
    named = [text for text in [spikes.in_words(found)] if text]
    setting = "; ".join([setting, *named, *dict.fromkeys(map(records.in_words, environments))])
    result = Published(heading, claim, setting, table, environments)
    written = [
        write(out / f"{name}.csv", as_csv(table.rows, records.provenance(found))),
        write(out / f"{name}.md", as_markdown(table, deviations=deviations)),
        write(out / f"{name}.png", png),
        write(out / f"{name}.html", page.as_html(result, png)),
        write(out / f"{name}.json", result.as_json()),
    ]
    print(f"\n{heading} ({'each cell: measured | paper' if table.paper else 'measured'})\n\n{as_text(table)}\n")
    print(f"{setting}\nWritten: {', '.join(str(path) for path in written)}; records of the runs in {place}")
    missing = len(found) - len(finished_of(found))
    if missing:
        print(f"{missing} run(s) did not finish; their records in {place} say why.", file=sys.stderr)
    return 1 if missing else 0


def add(arguments: argparse.Namespace, name: str, found: Sequence[dict[str, Any]], table: Table, heading: str) -> None:
    """Print and write an additional table of an experiment."""
    print(f"\n{heading} (each cell: measured | paper)\n\n{as_text(table)}\n")
    result = Published(heading, "", "", table, records.environments(found))
    write(folder(arguments) / f"{name}.csv", as_csv(table.rows, records.provenance(found)))
    write(folder(arguments) / f"{name}.md", as_markdown(table))
    write(folder(arguments) / f"{name}.json", result.as_json())
