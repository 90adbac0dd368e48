"""Read NumPy files, .npy and .npz: headers first, without unpickling."""

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from keras_repreg.commands.data.arrays import Arrays
from keras_repreg.commands.data.source import Header
from keras_repreg.commands.refusal import Refusal


class Npy(Arrays):
    """A .npy file with one array of inputs."""

    def __init__(self, path: Path):
        try:
            with path.open("rb") as file:
                header = _header(file)
                held = path.stat().st_size - file.tell()
        except Exception as error:  # NumPy raises many errors for damaged headers
            raise Refusal(f"{path} cannot be read as an npy file: {error}") from error
        if header.bytes > held and header.dtype.kind != "O":
            raise Refusal(f"{path} is truncated: its array of shape {header.shape} takes {header.bytes:,} bytes")
        super().__init__(str(path), {"x": header})
        self._path = path

    def values(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(np.load(self._path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise Refusal(f"{self._path} cannot be read as an npy file: {error}") from error


class Npz(Arrays):
    """A .npz file with named arrays."""

    def __init__(self, path: Path):
        if not zipfile.is_zipfile(path):
            raise Refusal(f"{path} is not an npz file, as written by `numpy.savez`")
        self._path = path
        headers = {}
        try:
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    if not member.filename.endswith(".npy"):
                        continue
                    name = member.filename.removesuffix(".npy")
                    if name in headers:
                        raise Refusal(f"{path} cannot be read as an npz file: it contains {name} more than once")
                    with archive.open(member) as file:
                        headers[name] = _header(file)
                        _check_size(member, headers[name], file.tell(), path)
        except Refusal:
            raise
        except Exception as error:  # NumPy and zipfile raise many errors for damaged archives
            raise Refusal(f"{path} cannot be read as an npz file of arrays: {error}") from error
        super().__init__(str(path), headers)

    def values(self, name: str) -> NDArray[Any]:
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                return np.asarray(arrays[name])
        except Exception as error:  # NumPy and zipfile raise many errors for damaged archives
            raise Refusal(f"{self._path} cannot be read as an npz file of arrays: {error}") from error


def _header(file: IO[bytes]) -> Header:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    return Header(tuple(shape), dtype)


def _check_size(member: zipfile.ZipInfo, header: Header, start: int, path: Path) -> None:
    """Check that the size of a readable member matches its header."""
    if header.dtype.kind == "O":
        return
    if member.file_size - start != header.bytes:
        raise Refusal(
            f"{path} cannot be read as an npz file of arrays: {member.filename} has {member.file_size - start:,} "
            f"bytes of values, but its header declares {header.bytes:,}"
        )
