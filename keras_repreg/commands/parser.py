"""An argument parser with one-line error messages."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from keras_repreg.commands.text import printable


class Parser(argparse.ArgumentParser):
    """The parser of `argparse`, without the usage before an error message."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        given = sys.argv[1:] if args is None else list(args)
        for word in given:
            # argparse would parse it as an empty list.
            if word.startswith("-") and word.endswith("=--"):
                self.error(f"argument {word[:-3]}: expected a value, received '--'")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(' '.join(message.split()))}; see {self.prog} --help\n")


def print_any_name() -> None:
    """Make it possible to print file names that are not valid text."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
