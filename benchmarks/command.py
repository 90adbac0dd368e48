"""What the commands have in common: their arguments, where they write, and how a result is published."""

import argparse
import sys
from pathlib import Path

from benchmarks import page
from benchmarks.aggregate import as_csv
from benchmarks.files import write_keeping_old
from benchmarks.table import Table, as_markdown, as_text

DEFAULT_OUT = Path("runs")
SMOKE_SAMPLES = 2000


def positive(text: str) -> int:
    """An argument that is an integer >= 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text}")
    return value


def add_sweep_arguments(parser: argparse.ArgumentParser, *, epochs: int, trials: int = 1) -> None:
    """The arguments of every command that trains networks."""
    parser.add_argument("--trials", type=positive, default=trials, help="networks of each kind (default %(default)s)")
    parser.add_argument("--epochs", type=positive, default=epochs, help="of training (default %(default)s)")
    parser.add_argument("--jobs", type=positive, default=None, help="processes (default: one per core)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    add_place_arguments(parser, "one epoch on 2,000 samples: does it run?")


def add_place_arguments(parser: argparse.ArgumentParser, smoke: str) -> None:
    """The arguments of every command."""
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of results and records (default runs)")
    parser.add_argument("--smoke", action="store_true", help=smoke)


def folder(arguments: argparse.Namespace) -> Path:
    """Where results go; made at once, so that a place that cannot be written to costs no training."""
    out: Path = arguments.out / "smoke" if arguments.smoke else arguments.out
    out.mkdir(parents=True, exist_ok=True)
    return out


def write(path: Path, content: str | bytes) -> Path:
    """Write a result; one that is there with other content is kept under another name, which is said."""
    kept = write_keeping_old(path, content)
    if kept is not None:
        print(f"{path} was there with other content, which is now {kept}.")
    return path


def publish(
    name: str, table: Table, out: Path, *, heading: str, claim: str, setting: str, png: bytes, deviations: bool = False
) -> list[Path]:
    """Print a table and write it as CSV, Markdown, PNG and an HTML page, all under one name."""
    html = page.as_html(table, heading=heading, claim=claim, setting=setting, png=png)
    written = [
        write(out / f"{name}.csv", as_csv(table.rows)),
        write(out / f"{name}.md", as_markdown(table, deviations=deviations)),
        write(out / f"{name}.png", png),
        write(out / f"{name}.html", html),
    ]
    cells = "each cell: measured | paper" if table.paper else "measured"
    print(f"\n{heading} ({cells})\n\n{as_text(table)}\n\n{setting}")
    return written


def outcome(expected: int, finished: int, records: Path) -> int:
    """The exit status, 1 where runs did not finish, which is said."""
    if expected > finished:
        print(f"{expected - finished} run(s) did not finish; their records in {records} say why.", file=sys.stderr)
    return 1 if expected > finished else 0
