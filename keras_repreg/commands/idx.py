"""MNIST's own file format, IDX, plain or gzipped."""

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.refusal import Refusal


def read_idx(folder: Path, name: str) -> NDArray[Any]:
    """The array of unsigned bytes in `folder/name` or `folder/name.gz`.

    Raises:
        Refusal: if there is no such file, or it is none of that format.
    """
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise Refusal(f"{folder} holds neither {name} nor {name}.gz")
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise Refusal(f"{path} cannot be read: {error}") from error
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions, then each as a big-endian int32.
    rank = raw[3] if raw[:3] == b"\x00\x00\x08" else 0
    start = 4 + 4 * rank
    shape = tuple(int(n) for n in np.frombuffer(raw[4:start], ">i4")) if rank and len(raw) >= start else ()
    if not shape or min(shape) < 0 or len(raw) - start != math.prod(shape):
        raise Refusal(f"{path} is not an IDX file of unsigned bytes")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
