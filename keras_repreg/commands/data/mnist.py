"""The MNIST test images, from Keras's cache or from the original files in a directory."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.arrays import Arrays
from keras_repreg.commands.data.npy import Npz
from keras_repreg.commands.data.source import Header
from keras_repreg.commands.idx import read_idx
from keras_repreg.commands.refusal import Refusal

# The file of `keras.datasets.mnist`, whose loader would unpickle its content.
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SAMPLES = 10_000
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
# The timeout of a download in seconds.
PATIENCE = 20


class Idx(Arrays):
    """A directory with the MNIST test files, plain or gzipped."""

    reshapes = True
    default_divisor = 255.0

    def __init__(self, folder: Path):
        # Small files, whose size is limited by their headers.
        self._arrays = {"x": read_idx(folder, IMAGES, 3), "y": read_idx(folder, LABELS, 1)}
        headers = {name: Header(array.shape, array.dtype) for name, array in self._arrays.items()}
        super().__init__(f"the MNIST test images in {folder}", headers)

    @classmethod
    def is_in(cls, folder: Path) -> bool:
        """Return whether the folder contains such files."""
        return any((folder / f"{name}{end}").is_file() for name in (IMAGES, LABELS) for end in ("", ".gz"))

    def values(self, name: str) -> NDArray[Any]:
        return self._arrays[name]


class Mnist(Arrays):
    """The file that Keras downloads once."""

    reshapes = True
    default_divisor = 255.0

    def __init__(self) -> None:
        byte = np.dtype(np.uint8)
        headers = {"x_test": Header((SAMPLES, 28, 28), byte), "y_test": Header((SAMPLES,), byte)}
        super().__init__("the MNIST test images", headers)
        self._file: Npz | None = None

    def values(self, name: str) -> NDArray[Any]:
        if self._file is None:
            self._file = Npz(_download())
        if name not in self._file.headers:
            raise Refusal(f"{self._file.name} contains no array {name}")
        return self._file.values(name)


def _download() -> Path:
    import keras

    try:
        with _quietly():
            return Path(keras.utils.get_file("mnist.npz", origin=ORIGIN, file_hash=SHA256))
    except Exception as error:
        raise Refusal(
            "MNIST is not in Keras's cache and could not be downloaded; pass the directory of its files to --data "
            f"instead ({' '.join(str(error).split())[:150]})"
        ) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress Keras's messages about a download that may fail, and set a timeout."""
    import keras

    told, patience = keras.config.is_interactive_logging_enabled(), socket.getdefaulttimeout()
    keras.config.disable_interactive_logging()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(patience)
        if told:
            keras.config.enable_interactive_logging()
