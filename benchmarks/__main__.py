"""`python -m benchmarks`: each table and figure of the paper by one command."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

from benchmarks.quiet import quiet

# Importing keras_repreg imports Keras.
with quiet():
    from benchmarks import command
    from benchmarks.experiments.registry import OTHERS, PAPER
    from keras_repreg.commands.parser import Parser, print_any_name

EXPERIMENTS: dict[str, Any] = {**PAPER, **OTHERS}


def parser() -> argparse.ArgumentParser:
    """Return the command line, which reads like the paper's table of contents."""
    top = Parser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, title="in the order of the paper", metavar="COMMAND")
    for name, experiment in PAPER.items():
        page = sys.modules[f"benchmarks.experiments.{name}"].__doc__
        text = f"{experiment.place}: {experiment.title}".replace("%", "%%")
        experiment.add_arguments(commands.add_parser(name, help=text, description=page))
    every = commands.add_parser("all", help="all of these, one after the other")
    command.add_sweep_arguments(every, epochs=None)
    for name, module in OTHERS.items():
        module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.__doc__))
    return top


def run_all(arguments: argparse.Namespace) -> int:
    """Run every table and figure with the same arguments; those that cannot be run are named, and the others go on.

    Returns:
        The greatest exit status, 1 where one was not run.
    """
    flags = [f"--trials={arguments.trials}", *command.machine_flags(arguments)]
    flags += [f"--epochs={arguments.epochs}"] if arguments.epochs else []
    status, not_run = 0, []
    for name in PAPER:
        parsed = parser().parse_args([name, *flags])
        # What an earlier one has made is not made again by --fresh.
        parsed.started = arguments.started
        try:
            status = max(status, EXPERIMENTS[name].run(parsed))
        except ValueError as error:
            # Its data is not there, as a rule.
            not_run.append(f"{name} was not run: {error}")
    for line in not_run:
        print(line, file=sys.stderr)
    return max(status, 1) if not_run else status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: that of the command, or of `run_to_the_end`."""
    print_any_name()
    parsed = parser().parse_args(arguments)
    return run_to_the_end(
        lambda: run_all(parsed) if parsed.command == "all" else EXPERIMENTS[parsed.command].run(parsed)
    )


def run_to_the_end(command: Callable[[], int]) -> int:
    """Run a command, and say in one line on stderr what has ended it; SIGTERM ends it as Ctrl-C does.

    Returns:
        Its exit status; 2 for input that cannot be used, 1 where a worker died, 130 after Ctrl-C, 143 after SIGTERM.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        return command()
    except (ValueError, OSError) as error:
        print(f"python -m benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (BrokenExecutor, KeyboardInterrupt) as error:
        # Ending the workers of an interrupted sweep can break their pool as well.
        if received or isinstance(error, KeyboardInterrupt):
            print("Interrupted. What has finished is recorded; the same command continues.", file=sys.stderr)
            return 143 if received else 130
        print(
            "python -m benchmarks: a worker process was killed, perhaps for lack of memory. What has finished is "
            "recorded; the same command continues, with fewer --jobs if need be.",
            file=sys.stderr,
        )
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
