"""`keras-repreg survey`: which identical-output rewrites apply to which layers of a model."""

import argparse
import json
from dataclasses import asdict

from keras_repreg.commands import memory, options
from keras_repreg.commands.archive import check_archive
from keras_repreg.commands.outputs import Terminal
from keras_repreg.commands.quiet import quiet
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

HELP = "say which rewrites with identical outputs apply to which layers of a model"
DESCRIPTION = """\
Prints a line for each layer with weights: which functions of keras_repreg.ion apply to it, such as whiten or permute,
and why no others do. No data is needed, and nothing is changed.
"""
EPILOG = f"""\
example:
  keras-repreg survey model.keras

{options.SAFETY}
{options.CODES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("model", type=options.path, metavar="MODEL.keras", help="a model that `model.save` wrote")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(arguments: argparse.Namespace) -> bool:
    """Survey and print; return whether all that was printed was read.

    Raises:
        Refusal: if the model cannot be loaded, or its graph cannot be read.
    """
    check_archive(arguments.model)
    with quiet():
        from keras_repreg.commands.model import ModelFile
        from keras_repreg.ion import survey
    file = ModelFile(arguments.model)
    with memory.limited():
        try:
            rows = survey(file.load(), print_fn=None)
        except (TypeError, ValueError) as error:
            raise Refusal(error) from error
    terminal = Terminal(quiet=True)
    if arguments.json:
        terminal.print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        terminal.print("\n".join(printable(row) for row in rows))
    return not terminal.closed
