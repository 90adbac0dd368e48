"""MNIST from the four official IDX files in the folder `mnist`."""

import hashlib
import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.data.splits import Split, Splits, scaled
from keras_repreg.commands.idx import read_idx
from keras_repreg.commands.refusal import Refusal

FOLDER = Path(__file__).parent / "mnist"
VALIDATION = 10_000


def load_mnist(folder: Path = FOLDER, *, flatten: bool = True) -> Splits:
    """Return MNIST, with the last 10,000 of the 60,000 training images as the validation split.

    Raises:
        ValueError: if a file is missing, does not match its entry in `SHA256SUMS`, or is not in IDX format.
    """
    sums = _checksums(folder)
    read = {
        kind: read_checked(folder, f"{kind}-ubyte", sums.get(f"{kind}-ubyte.gz", "in SHA256SUMS"))
        for kind in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    }
    train = scaled(read["train-images-idx3"], read["train-labels-idx1"], flatten=flatten)
    test = scaled(read["t10k-images-idx3"], read["t10k-labels-idx1"], flatten=flatten)
    kept = len(train) - VALIDATION
    return Splits(Split(train.x[:kept], train.y[:kept]), Split(train.x[kept:], train.y[kept:]), test)


def checksums(folder: Path = FOLDER) -> str:
    """Return the expected checksums as JSON; `load_mnist` verifies each file against them."""
    return json.dumps(_checksums(folder), sort_keys=True)


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / "SHA256SUMS"
    if not path.is_file():
        raise ValueError(f"Expected the MNIST files and their SHA256SUMS in one folder. Received: {folder}")
    pairs = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def read_checked(folder: Path, name: str, sha256: str) -> NDArray[Any]:
    """Return the array in a gzipped IDX file after verifying its SHA-256.

    Raises:
        ValueError: if the file is missing, damaged, or not an IDX file.
    """
    path = folder / f"{name}.gz"
    if not path.is_file():
        raise ValueError(f"Expected a gzipped IDX file. Received: {path}, which does not exist")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise ValueError(f"Expected SHA-256 {sha256} of {path.name}: the file is damaged. Received: {digest}")
    try:
        return read_idx(folder, name, rank=3 if "images" in name else 1)
    except Refusal as refusal:
        raise ValueError(f"Expected a gzipped IDX file. Received: {refusal}") from None
