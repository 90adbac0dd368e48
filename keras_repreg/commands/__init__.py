"""The command line, `keras-repreg`.

Each command is a module of this package with `HELP`, `DESCRIPTION`, `EPILOG`, `add_arguments(parser)` and
`run(arguments)`, and a name in `COMMANDS`. Keras is imported only after the arguments are parsed, so that `--help` is
fast.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import keras_repreg
from keras_repreg.backends import advice
from keras_repreg.commands.parser import Parser, print_any_name
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

DESCRIPTION = "Look inside a trained Keras network."
COMMANDS = ("measure", "compare", "survey")
REFUSED, INTERRUPTED, CLOSED = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0, or 2 after an error message of one line on stderr, 130 after Ctrl-C, 141 if the reader closed stdout.
    """
    print_any_name()
    parsed = _parser().parse_args(arguments)
    # Hide TensorFlow's messages unless the user has set the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        finished = importlib.import_module(f"keras_repreg.commands.{parsed.command}").run(parsed)
    except (Refusal, OSError) as error:
        return _refuse(error)
    except MemoryError as error:
        return _refuse(f"there is not enough memory ({error or 'it could not be allocated'})")
    except ModuleNotFoundError as error:
        advised = advice(error)
        if advised is None:
            raise
        return _refuse(advised)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0 if finished else CLOSED


def _refuse(reason: object) -> int:
    print(f"keras-repreg: {printable(' '.join(str(reason).split()))}", file=sys.stderr)
    return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="keras-repreg", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"keras-repreg {keras_repreg.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"keras_repreg.commands.{name}")
        command = commands.add_parser(
            name, help=module.HELP, description=module.DESCRIPTION, epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add_arguments(command)
    return parser
