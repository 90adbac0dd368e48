"""The command line, `keras-repreg`.

Nothing of Keras is imported before the arguments are understood: `--help` is quick.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import keras_repreg
from keras_repreg.backends import advice
from keras_repreg.commands.parser import Parser, print_any_name
from keras_repreg.commands.refusal import Refusal

DESCRIPTION = "Look inside a trained Keras network."
MEASURE = """\
Prints the characteristics of a model's layers on a data set: amplitude, covariance, correlation, sparsity, dead units
and stable rank, as in Table 1 of Choi, Lee, Shin and Rhee (2018), or others by name.
"""
EXAMPLES = """\
examples:
  keras-repreg measure model.keras --data test.npz
  keras-repreg measure model.keras --data mnist --report report.html
  keras-repreg measure model.keras --data folder/ --layers hidden,code --characteristics effective_rank,nc1
  keras-repreg measure model.keras --data test.npz --characteristics all --csv table.csv

data:
  FILE.npz    arrays x_test and y_test, or x and y; y, the class of each sample, may be missing
  DIRECTORY   the MNIST test files in IDX format: t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, or these .gz
  mnist       the MNIST test images as Keras keeps them; they are downloaded once

Pixels of MNIST are divided by 255 and shaped as the model takes them; arrays are taken as they are, see --divide-by.
Only .keras files are read, and no code out of them; nothing is unpickled. KERAS_BACKEND chooses the backend.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 after a line on stderr that says what is wrong."""
    print_any_name()
    parsed = _parser().parse_args(arguments)
    # TensorFlow's own talk; whoever wants it can set the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        command = importlib.import_module(f"keras_repreg.commands.{parsed.command}")
        command.run(parsed)
    except Refusal as refusal:
        print(f"keras-repreg: {refusal}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"keras-repreg: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        advised = advice(error)
        if advised is None:
            raise
        print(f"keras-repreg: {advised}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="keras-repreg", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"keras-repreg {keras_repreg.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    measure = commands.add_parser(
        "measure",
        help="print the characteristics of a model's layers, and write a report",
        description=MEASURE,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    measure.add_argument("model", type=_path, metavar="MODEL.keras", help="a model that `model.save` wrote")
    measure.add_argument(
        "--data", type=_text, required=True, metavar="DATA", help="FILE.npz, a DIRECTORY or mnist; see below"
    )
    measure.add_argument("--layers", type=_names, metavar="A,B", help="names of layers (default: all hidden layers)")
    measure.add_argument(
        "--characteristics",
        type=_names,
        metavar="A,B",
        help="names, or all (default: the six of Table 1, and the variances of classes)",
    )
    measure.add_argument(
        "--units", choices=("channels", "flatten"), default="channels",
        help="of convolutions and sequences: each channel a unit and each position a sample, or each position of each "
        "channel a unit (default: channels)",
    )  # fmt: skip
    measure.add_argument("--report", type=_path, metavar="OUT.html", help="write a page with pictures and findings")
    measure.add_argument("--csv", type=_path, metavar="OUT.csv", help="write the table with all its digits")
    measure.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    measure.add_argument(
        "--noise-variance", type=_positive, default=0.1, metavar="S2",
        help="of the noise with which the report defines mutual information (default: 0.1)",
    )  # fmt: skip
    measure.add_argument("--unit", choices=("nats", "bits"), default="nats", help="of mutual information")
    measure.add_argument(
        "--samples", type=_count, default=2000, metavar="N",
        help="how many samples, chosen at random, the report draws and takes mutual information of (default: 2000)",
    )  # fmt: skip
    measure.add_argument("--batch-size", type=_count, default=256, metavar="N", help="samples per pass (default: 256)")
    measure.add_argument(
        "--divide-by", type=_positive, metavar="X", help="divide the inputs by this (default: 255 for MNIST, else 1)"
    )
    return parser


def _text(text: str) -> str:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"a name expected, received {text!r}")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"names separated by commas expected, received {text!r}")
    return names


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 expected, received {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 expected, received {text!r}")
    return int(text)
