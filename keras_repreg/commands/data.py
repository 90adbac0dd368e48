"""The data that a model is measured on, from a file of arrays or the MNIST test images."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.idx import read_idx
from keras_repreg.commands.refusal import Refusal
from keras_repreg.labels import sample_classes

# As `keras.datasets.mnist` has it, which would unpickle what the file held.
_MNIST_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


@dataclass(frozen=True)
class Data:
    """Inputs as the model takes them, the class of each sample where it is known, and what to call both."""

    x: NDArray[Any]
    y: NDArray[Any] | None
    name: str


def load_data(source: str, model: Any, divide_by: float | None) -> Data:
    """The data that `--data` names.

    Raises:
        Refusal: if there is none, it is damaged or pickled, or does not fit the model.
    """
    shape = _input_shape(model)
    path = Path(source)
    y: NDArray[Any] | None
    if path.is_dir():
        x, y = read_idx(path, "t10k-images-idx3-ubyte", 3), read_idx(path, "t10k-labels-idx1-ubyte", 1)
        x, name = _like(x, shape), f"the MNIST test images in {path}"
    elif source == "mnist":
        x, y = _keras_mnist()
        x, name = _like(x, shape), "the MNIST test images"
    elif path.suffix == ".npz":
        (x, y), name, divide_by = _read_npz(path), str(path), divide_by or 1.0
    else:
        raise Refusal(f"--data is 'mnist', a directory or a file ending in .npz; received {source!r}")
    _check(x, y, shape, name)
    x = x if divide_by == 1 else (x / (divide_by or 255.0)).astype("float32")
    return Data(x, None if y is None else _classes(y, len(x), name), name)


def _input_shape(model: Any) -> tuple[int | None, ...] | None:
    """The shape of the model's input, or None if it is not known."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) > 1:
        raise Refusal(f"the model has {len(inputs)} inputs; from the command line only models with one can be measured")
    return tuple(inputs[0].shape) if inputs else None


def _like(images: NDArray[Any], shape: tuple[int | None, ...] | None) -> NDArray[Any]:
    """Images (N, 28, 28), flat or with a channel where the model takes them so."""
    height, width = images.shape[1:]
    if shape is not None and shape[1:] == (height * width,):
        return images.reshape(len(images), -1)
    return images[..., None] if shape is not None and shape[1:] == (height, width, 1) else images


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if not path.is_file():
        raise Refusal(f"{path} does not exist")
    if not zipfile.is_zipfile(path):
        raise Refusal(f"{path} is not an npz file, as `numpy.savez` writes it")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            suffix = "_test" if "x_test" in arrays else ""
            if f"x{suffix}" not in arrays:
                raise Refusal(f"{path} holds no array x or x_test, but {', '.join(arrays) or 'nothing'}")
            x, y = arrays[f"x{suffix}"], arrays.get(f"y{suffix}")
    except Refusal:
        raise
    except Exception as error:  # whatever a damaged archive makes NumPy and zipfile raise
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise Refusal(f"{path} holds pickled objects, which are not read") from error
        raise Refusal(f"{path} cannot be read as an npz file of arrays: {error}") from error
    # What is in the archive and no array, NumPy gives as bytes.
    if not isinstance(x, np.ndarray) or not isinstance(y, (np.ndarray, type(None))):
        raise Refusal(f"{path} cannot be read as an npz file of arrays: x{suffix} or y{suffix} is none")
    return x, y


def _keras_mnist() -> tuple[NDArray[Any], NDArray[Any]]:
    import keras

    try:
        path = Path(keras.utils.get_file("mnist.npz", origin=_MNIST_ORIGIN, file_hash=_MNIST_SHA256))
    except Exception as error:
        raise Refusal(
            "MNIST is not in Keras's cache and could not be downloaded; give --data the directory of its files instead "
            f"({' '.join(str(error).split())[:150]})"
        ) from error
    x, y = _read_npz(path)
    if y is None:
        raise Refusal(f"{path} holds no labels")
    return x, y


def _check(x: NDArray[Any], y: NDArray[Any] | None, shape: tuple[int | None, ...] | None, name: str) -> None:
    if x.dtype.kind not in "biuf" or x.ndim < 2 or not x.size:
        raise Refusal(f"x in {name} is not an array of samples of real numbers: shape {x.shape}, dtype {x.dtype}")
    if not np.isfinite(x).all():
        raise Refusal(f"x in {name} has {np.sum(~np.isfinite(x)):,} values that are NaN or infinite")
    if shape is not None and (
        len(x.shape) != len(shape)
        or any(expected not in (None, given) for expected, given in zip(shape[1:], x.shape[1:], strict=True))
    ):
        raise Refusal(f"the model takes inputs of shape {_shown(shape)}, and {name} has {_shown((None, *x.shape[1:]))}")
    if y is not None and y.shape[:1] != x.shape[:1]:
        raise Refusal(f"x and y in {name} are of different lengths: {x.shape}, {y.shape}")


def _classes(y: NDArray[Any], samples: int, name: str) -> NDArray[Any]:
    try:
        return sample_classes(y, samples)
    except ValueError as error:
        raise Refusal(f"y in {name}: {error}") from error


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('N' if i == 0 else '?' if n is None else str(n) for i, n in enumerate(shape))})"
