"""The options that several commands share, and what their values may be."""

import argparse
from pathlib import Path

DATA = """\
data:
  FILE.npz    arrays x_test and y_test, or x and y; of a model with several inputs one array for each, under the names
              of the inputs or in their order
  FILE.npy    one array of inputs
  FILE.csv    a sample in each line; a column named label, class, target or y holds the classes
  DIRECTORY   a folder of images (PNG, JPEG, GIF, BMP) for each class; or the MNIST test files in IDX format,
              t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, or these .gz
  mnist       the MNIST test images as Keras keeps them; they are downloaded once
  tfds:NAME   a data set that TensorFlow Datasets has prepared on this machine, tfds:NAME@SPLIT for another split than
              its test split; nothing is downloaded

Labels may be missing. Targets that are no classes (regression, several labels for each sample) are noted and left out.
Pixels of MNIST are divided by 255; everything else is taken as it is, see --divide-by.
"""
SAFETY = """\
Only .keras files are read, and no code out of them; nothing is unpickled. Shapes and sizes are looked at first: what
would take more than half of the free memory (--memory-share) is refused before it is read. KERAS_BACKEND chooses the
backend.
"""
CODES = """\
exit codes:
  0    done
  2    refused: one line on stderr says what is wrong, and nothing was written
  130  interrupted (Ctrl-C)
  141  the reader of the output closed it, as `head` does; files were written nevertheless
"""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the data."""
    parser.add_argument(
        "--data", type=text, required=True, metavar="DATA", help="a file, a directory or a name; see below"
    )
    parser.add_argument(
        "--divide-by", type=positive, metavar="X", help="divide the inputs by this (default: 255 for MNIST, else 1)"
    )
    parser.add_argument("--no-labels", action="store_true", help="do not use the labels of the data")
    parser.add_argument("--batch-size", type=count, metavar="N", help="samples per pass (default: 256, or what fits)")
    parser.add_argument(
        "--memory-share", type=share, default=0.5, metavar="S",
        help="refuse what needs more than this share of the free memory (default: 0.5)",
    )  # fmt: skip


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose layers and their units."""
    parser.add_argument("--layers", type=names, metavar="A,B", help="names of layers (default: all hidden layers)")
    parser.add_argument(
        "--units", choices=("channels", "flatten"), default="channels",
        help="convolutions and sequences: each channel is a unit and each position a sample, or each position of each "
        "channel is a unit (default: channels)",
    )  # fmt: skip


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the output."""
    parser.add_argument("--csv", type=path, metavar="OUT.csv", help="write the table with all its digits")
    parser.add_argument(
        "--overwrite", action="store_true",
        help="replace output files that exist; links, devices and directories are never replaced",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--wide", action="store_true", help="print all columns, however narrow the terminal is")
    parser.add_argument("--quiet", action="store_true", help="no notes and no progress on stderr")


def text(value: str) -> str:
    """A name that is not empty."""
    if not value or "\0" in value:
        raise argparse.ArgumentTypeError(f"a name expected, received {value!r}")
    return value


def path(value: str) -> Path:
    """A path of the file system."""
    return Path(text(value))


def names(value: str) -> list[str]:
    """Names separated by commas."""
    found = [name.strip() for name in value.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"names separated by commas expected, received {value!r}")
    return found


def positive(value: str) -> float:
    """A finite number above zero."""
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 expected, received {value!r}")
    return number


def share(value: str) -> float:
    """A share, above 0 and at most 1."""
    number = positive(value)
    if number > 1:
        raise argparse.ArgumentTypeError(f"a share of at most 1 expected, received {value!r}")
    return number


def count(value: str) -> int:
    """A whole number above zero."""
    # Python converts no more digits than it can in a moment.
    if not value.isdecimal() or len(value) > 18 or int(value) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 expected, received {value!r}")
    return int(value)
