"""Options shared by several commands, and the checks of their values."""

import argparse
from pathlib import Path

DATA = """\
data:
  FILE.npz    arrays x_test and y_test, or x and y; for a model with several inputs, one array per input, with the names
              of the inputs or in their order
  FILE.npy    one array of inputs
  FILE.csv    one sample per line; a column named label, class, target or y contains the classes
  DIRECTORY   one folder of images (PNG, JPEG, GIF, BMP) per class; or the MNIST test files in IDX format,
              t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, optionally with .gz
  mnist       the MNIST test images in Keras's cache, downloaded once if missing
  tfds:NAME   a data set prepared by TensorFlow Datasets on this machine, with tfds:NAME@SPLIT for a split other than
              the test split; nothing is downloaded

Labels may be missing. Targets that are not classes (regression, several labels per sample) are ignored with a note.
MNIST pixels are divided by 255; other data is not changed, see --divide-by.
"""
SAFETY = """\
Only .keras files are read, no code in them is run, and nothing is unpickled. Shapes and sizes are checked first: data
that would take more than half of the free memory (--memory-share) is refused before it is read. KERAS_BACKEND selects
the backend.
"""
CODES = """\
exit codes:
  0    done
  2    refused: one line on stderr explains the problem, and nothing was written
  130  interrupted (Ctrl-C)
  141  the reader of the output closed it, as `head` does; files were still written
"""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the data."""
    parser.add_argument(
        "--data", type=text, required=True, metavar="DATA", help="a file, a directory or a name; see below"
    )
    parser.add_argument(
        "--divide-by", type=positive, metavar="X", help="divide the inputs by X (default: 255 for MNIST, otherwise 1)"
    )
    parser.add_argument("--no-labels", action="store_true", help="do not use the labels of the data")
    parser.add_argument(
        "--batch-size", type=count, metavar="N", help="samples per batch (default: up to 256, as memory allows)"
    )
    parser.add_argument(
        "--memory-share", type=share, default=0.5, metavar="S",
        help="refuse work that needs more than this fraction of the free memory (default: 0.5)",
    )  # fmt: skip


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose layers and their units."""
    parser.add_argument("--layers", type=names, metavar="A,B", help="names of layers (default: all hidden layers)")
    parser.add_argument(
        "--units", choices=("channels", "flatten"), default="channels",
        help="for convolutions and sequences: each channel is a unit and each position a sample, or each position of "
        "each channel is a unit (default: channels)",
    )  # fmt: skip


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the output."""
    parser.add_argument("--csv", type=path, metavar="OUT.csv", help="write the table with full precision")
    parser.add_argument(
        "--overwrite", action="store_true",
        help="replace existing output files; links, devices and directories are never replaced",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--wide", action="store_true", help="print all columns regardless of the width of the terminal")
    parser.add_argument("--quiet", action="store_true", help="print no notes and no progress on stderr")


def text(value: str) -> str:
    """Return a non-empty name."""
    if not value or "\0" in value:
        raise argparse.ArgumentTypeError(f"expected a name, received {value!r}")
    return value


def path(value: str) -> Path:
    """Return a path."""
    return Path(text(value))


def names(value: str) -> list[str]:
    """Return names separated by commas."""
    found = [name.strip() for name in value.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected names separated by commas, received {value!r}")
    return found


def positive(value: str) -> float:
    """Return a finite number above zero."""
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {value!r}")
    return number


def share(value: str) -> float:
    """Return a fraction above 0 and at most 1."""
    number = positive(value)
    if number > 1:
        raise argparse.ArgumentTypeError(f"expected a fraction above 0 and at most 1, received {value!r}")
    return number


def count(value: str) -> int:
    """Return a whole number above zero."""
    # Python limits the number of digits that it converts.
    if not value.isdecimal() or len(value) > 18 or int(value) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, received {value!r}")
    return int(value)
