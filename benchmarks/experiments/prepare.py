"""Store images from an npz file as a data set of tensorflow-datasets, which `--data` can then name.

The file contains the arrays x_train, y_train, x_test, y_test: uint8 images of shape (N, height, width, channels) and
integer class ids. The last 10,000 training images are used for validation, or a fifth if fewer than 5,000 would remain.
Other arrays are ignored.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.tfds import store_tfds
from benchmarks.training import backend
from keras_repreg.commands.data.npy import Npz
from keras_repreg.commands.refusal import Refusal

HELP = "store images from an npz file as a data set of tensorflow-datasets"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", type=Path, help="the npz file")
    parser.add_argument("--name", required=True, help="name of the data set: lower-case letters, digits, underscores")
    parser.add_argument(
        "--data-dir", type=Path, default=None, help="folder (default: TFDS_DATA_DIR, or ~/tensorflow_datasets)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read, check and store the images."""
    if not re.fullmatch("[a-z][a-z0-9_]*", arguments.name):
        raise ValueError(f"Expected a name of lower-case letters, digits and underscores. Received: {arguments.name!r}")
    arrays = read_images(arguments.file)
    backend.start(threads=1)
    place = store_tfds(arguments.name, arrays, arguments.data_dir)
    print(f"Stored {len(arrays['y_train'])} training and {len(arrays['y_test'])} test images in {place}")
    return 0


def read_images(path: Path) -> dict[str, Any]:
    """Return the four arrays of a file.

    Raises:
        ValueError: if it is not an npz file, or an array is missing or has the wrong type or shape.
    """
    try:
        file = Npz(path)
        arrays = {name: file.values(name) for name in ARRAYS if name in file.headers}
    except Refusal as refusal:
        raise ValueError(f"Expected an npz file of arrays. Received: {refusal}") from None
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise ValueError(f"Expected the arrays {', '.join(ARRAYS)}. Received: {path} without {', '.join(missing)}")
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"] = arrays[f"x_{part}"], arrays[f"y_{part}"].squeeze()
        if x.dtype != np.uint8 or x.ndim != 4:
            raise ValueError(
                f"Expected uint8 images of shape (N, height, width, channels). Received: x_{part} of {x.dtype} and "
                f"shape {x.shape}"
            )
        if y.dtype.kind not in "iu" or y.shape != x.shape[:1] or (y.size and y.min() < 0):
            raise ValueError(f"Expected {len(x)} class ids >= 0. Received: y_{part} of {y.dtype} and shape {y.shape}")
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise ValueError(
            "Expected training and test images of the same shape. Received: "
            f"{arrays['x_train'].shape[1:]} and {arrays['x_test'].shape[1:]}"
        )
    return arrays
