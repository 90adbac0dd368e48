"""`python -m benchmarks`: each table and figure of the paper by one command."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from benchmarks import command
from benchmarks.experiments import (
    figure1,
    figure2,
    figure3,
    figure4,
    prepare,
    report,
    speed,
    status,
    table2,
    table3,
    table4,
    table6,
    table8,
    table9,
)
from keras_repreg.commands.parser import Parser, print_any_name

EXPERIMENTS = {
    "table2": table2,
    "table3": table3,
    "table4": table4,
    "table6": table6,
    "table8": table8,
    "table9": table9,
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "speed": speed,
    "status": status,
    "report": report,
    "prepare": prepare,
}
# Those of the paper.
PAPER = tuple(name for name in EXPERIMENTS if name.startswith(("table", "figure")))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, experiment in EXPERIMENTS.items():
        experiment.add_arguments(commands.add_parser(name, help=experiment.HELP, description=experiment.__doc__))
    every = commands.add_parser("all", help="all tables and figures, one after the other")
    command.add_sweep_arguments(every, epochs=None)
    return top


def run_all(arguments: argparse.Namespace) -> int:
    """Every table and figure with the same arguments; what cannot be run is said, and the others go on.

    Returns:
        The greatest exit status, 1 where one was not run.
    """
    flags = [f"--trials={arguments.trials}", f"--out={arguments.out}", f"--backend={arguments.backend}"]
    flags += [f"--address={arguments.address}"] if arguments.address else []
    flags += [f"--epochs={arguments.epochs}"] if arguments.epochs else []
    flags += [f"--jobs={arguments.jobs}"] if arguments.jobs else []
    flags += [flag for flag in ("--smoke", "--quiet") if getattr(arguments, flag[2:])]
    status, not_run = 0, []
    for name in PAPER:
        try:
            status = max(status, EXPERIMENTS[name].run(parser().parse_args([name, *flags])))
        except ValueError as error:
            # Its data is not there, as a rule.
            not_run.append(f"{name} was not run: {error}")
    for line in not_run:
        print(line, file=sys.stderr)
    return max(status, 1) if not_run else status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 and one line for input that cannot be used."""
    print_any_name()
    parsed = parser().parse_args(arguments)
    try:
        return run_all(parsed) if parsed.command == "all" else EXPERIMENTS[parsed.command].run(parsed)
    except (ValueError, OSError) as error:
        print(f"python -m benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenExecutor:
        print(
            "python -m benchmarks: a worker process was killed, for want of memory perhaps. What has finished is "
            "recorded; the same command continues, with fewer --jobs if need be.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What has finished is recorded; the same command continues.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
