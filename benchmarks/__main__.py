"""`python -m benchmarks`: each table and figure of the paper by one command."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from benchmarks.experiments import figure1, figure2, figure3, figure4, speed, table2, table3, table6

EXPERIMENTS = {
    "table2": table2,
    "table3": table3,
    "table6": table6,
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "speed": speed,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, experiment in EXPERIMENTS.items():
        command = commands.add_parser(name, help=experiment.HELP, description=experiment.__doc__)
        experiment.add_arguments(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 and one line for input that cannot be used."""
    parsed = parser().parse_args(arguments)
    try:
        return EXPERIMENTS[parsed.command].run(parsed)
    except (ValueError, OSError) as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
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
