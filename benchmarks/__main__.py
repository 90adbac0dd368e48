"""Reproduce the paper's tables and figures, one command for each."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.failures import run_reporting_errors
from benchmarks.quiet import quiet

# Importing keras_repreg imports Keras.
with quiet():
    from benchmarks import command
    from benchmarks.experiments.registry import OTHERS, PAPER
    from keras_repreg.commands.parser import Parser, print_any_name

EXPERIMENTS: dict[str, Any] = {**PAPER, **OTHERS}


def parser() -> argparse.ArgumentParser:
    """Return the parser: one command per table or figure, in the paper's order, then the others."""
    top = Parser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, title="in the order of the paper", metavar="COMMAND")
    for name, experiment in PAPER.items():
        page = sys.modules[f"benchmarks.experiments.{name}"].__doc__
        text = f"{experiment.place}: {experiment.title}".replace("%", "%%")
        experiment.add_arguments(commands.add_parser(name, help=text, description=page))
    every = commands.add_parser("all", help="all of the above, one after the other")
    command.add_sweep_arguments(every, epochs=None)
    for name, module in OTHERS.items():
        module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.__doc__))
    return top


def run_all(arguments: argparse.Namespace) -> int:
    """Run every table and figure with the same arguments, and report those that cannot be run.

    Returns:
        The highest exit status; at least 1 if one could not be run.
    """
    flags = [f"--trials={arguments.trials}", *command.machine_flags(arguments)]
    flags += [f"--epochs={arguments.epochs}"] if arguments.epochs else []
    status, not_run = 0, []
    for name in PAPER:
        parsed = parser().parse_args([name, *flags])
        # With --fresh, runs that several experiments share are repeated once.
        parsed.started = arguments.started
        try:
            status = max(status, EXPERIMENTS[name].run(parsed))
        except ValueError as error:
            # Usually because its data set is missing.
            not_run.append(f"{name} was not run: {error}")
    for line in not_run:
        print(line, file=sys.stderr)
    return max(status, 1) if not_run else status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status, as in `run_reporting_errors`."""
    print_any_name()
    parsed = parser().parse_args(arguments)
    return run_reporting_errors(
        lambda: run_all(parsed) if parsed.command == "all" else EXPERIMENTS[parsed.command].run(parsed)
    )


if __name__ == "__main__":
    sys.exit(main())
