"""MNIST from the four official IDX files beside this module (format: the database's own web page)."""

import gzip
import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data.splits import Split, Splits, scaled

FOLDER = Path(__file__).parent / "mnist"
VALIDATION = 10_000


def load_mnist(folder: Path = FOLDER, *, flatten: bool = True) -> Splits:
    """The first 50,000 training images to train, the next 10,000 to validate, the 10,000 test images to test.

    Raises:
        ValueError: if a file is missing, is not the one that `SHA256SUMS` names, or is not in IDX format.
    """
    checksums = _checksums(folder)
    read = {
        kind: read_idx(folder / f"{kind}-ubyte.gz", checksums.get(f"{kind}-ubyte.gz", "in SHA256SUMS"))
        for kind in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    }
    train = scaled(read["train-images-idx3"], read["train-labels-idx1"], flatten=flatten)
    test = scaled(read["t10k-images-idx3"], read["t10k-labels-idx1"], flatten=flatten)
    kept = len(train) - VALIDATION
    return Splits(Split(train.x[:kept], train.y[:kept]), Split(train.x[kept:], train.y[kept:]), test)


def checksums(folder: Path = FOLDER) -> str:
    """Return the file of checksums, which every file is compared with when it is read."""
    return json.dumps(_checksums(folder), sort_keys=True)


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / "SHA256SUMS"
    if not path.is_file():
        raise ValueError(f"Expected the MNIST files and their SHA256SUMS in one folder. Received: {folder}")
    pairs = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def read_idx(path: Path, sha256: str) -> NDArray[Any]:
    """The array of unsigned bytes in a gzipped IDX file, after a check of the file's SHA-256."""
    if not path.is_file():
        raise ValueError(f"Expected a gzipped IDX file. Received: {path}, which does not exist")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ValueError(f"Expected SHA-256 {sha256} of {path.name}: the file is damaged. Received: {digest}")
    try:
        raw = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Expected a gzipped IDX file. Received: {path.name}, {error}") from None
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions, then each as a big-endian int32.
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"Expected an IDX file of unsigned bytes. Received: {path.name} starting with {raw[:4]!r}")
    start = 4 + 4 * raw[3] if len(raw) > 3 else 4
    if len(raw) < start:
        raise ValueError(f"Expected {start} bytes before the data in {path.name}. Received: {len(raw)}")
    shape = tuple(int(n) for n in np.frombuffer(raw[4:start], ">i4"))
    if len(raw) - start != math.prod(shape):
        raise ValueError(f"Expected {math.prod(shape)} bytes of data in {path.name}. Received: {len(raw) - start}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
