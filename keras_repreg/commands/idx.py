"""Read IDX, the file format of MNIST, plain or gzipped."""

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.refusal import Refusal

# The maximum expansion ratio of Deflate.
LARGEST_RATIO = 1032


def read_idx(folder: Path, name: str, rank: int) -> NDArray[Any]:
    """Return the array of unsigned bytes with `rank` axes in `folder/name` or `folder/name.gz`.

    Raises:
        Refusal: if there is no such file, or its format is wrong.
    """
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise Refusal(f"{folder} contains neither {name} nor {name}.gz")
    compressed = path.suffix == ".gz"
    largest = path.stat().st_size * (LARGEST_RATIO if compressed else 1)
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            array = _read(file, rank, largest)
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal(f"{path} cannot be read: {error}") from error
    if array is None:
        raise Refusal(f"{path} is not an IDX file of unsigned bytes with {rank} dimension(s)")
    return array


def _read(file: io.BufferedIOBase, rank: int, largest: int) -> NDArray[Any] | None:
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions, then each as a big-endian int32.
    if file.read(4) != bytes([0, 0, 8, rank]):
        return None
    header = file.read(4 * rank)
    if len(header) != 4 * rank:
        return None
    shape = tuple(int(n) for n in np.frombuffer(header, ">i4"))
    size = math.prod(shape)
    # Do not trust a header that declares more than the file can hold.
    if min(shape) < 0 or size > largest:
        return None
    content = file.read(size + 1)
    return np.frombuffer(content, np.uint8).reshape(shape) if len(content) == size else None
