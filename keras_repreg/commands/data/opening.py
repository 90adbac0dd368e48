"""Determine the kind of data that an argument names."""

from pathlib import Path

from keras_repreg.commands.data.images import Images
from keras_repreg.commands.data.mnist import Idx, Mnist
from keras_repreg.commands.data.npy import Npy, Npz
from keras_repreg.commands.data.prepared import Prepared
from keras_repreg.commands.data.source import Source
from keras_repreg.commands.data.table import Table
from keras_repreg.commands.refusal import Refusal

FILES: dict[str, type[Npy] | type[Npz] | type[Table]] = {".npz": Npz, ".npy": Npy, ".csv": Table}


def open_source(text: str) -> Source:
    """Return the data named by `--data`, reading only headers.

    Raises:
        Refusal: if there is no such data, or its headers are damaged.
    """
    if text == "mnist":
        return Mnist()
    if text.startswith("tfds:"):
        return Prepared(text.removeprefix("tfds:"))
    path = Path(text)
    if path.is_dir():
        return Idx(path) if Idx.is_in(path) else Images(path)
    kind = FILES.get(path.suffix.lower())
    if kind is None:
        raise Refusal(
            f"--data must be a file ending in .npz, .npy or .csv, a directory, mnist or tfds:NAME; received {text!r}"
        )
    if not path.is_file():
        raise Refusal(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    return kind(path)
