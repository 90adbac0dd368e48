"""`keras-repreg survey`: the rewrites with identical outputs that apply to each layer of a model."""

import argparse
import json
from dataclasses import asdict

from keras_repreg.commands import memory, options
from keras_repreg.commands.archive import check_archive
from keras_repreg.commands.outputs import Terminal
from keras_repreg.commands.quiet import quiet
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

HELP = "list the rewrites with identical outputs that apply to each layer of a model"
DESCRIPTION = """\
Print one line per layer with weights: the functions of keras_repreg.ion that apply to it, such as whiten or permute,
and why others do not. No data is needed, and nothing is changed.
"""
EPILOG = f"""\
example:
  keras-repreg survey model.keras

{options.SAFETY}
{options.CODES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("model", type=options.path, metavar="MODEL.keras", help="a model saved by `model.save`")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(arguments: argparse.Namespace) -> bool:
    """Survey and print; return whether all printed output was read.

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
