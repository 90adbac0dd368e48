"""Compare the shapes of the weights in a model file with those of the model before reading them."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from keras_repreg.commands.archive import WEIGHTS
from keras_repreg.commands.refusal import Refusal

# The bytes that a weight may always take, for states, counts and names.
HARMLESS = 2**20
# Beyond this size, if the shapes of the model are unknown, a weight must be stored at least this densely.
LARGEST_EXPANSION = 100


def check_weights(path: Path, largest: int | None) -> None:
    """Check that no weight in a .keras file is larger than the largest of the model, or stored elsewhere.

    Args:
        path: The file, see `check_archive`.
        largest: The number of elements of the model's largest variable, or None if unknown.

    Raises:
        Refusal: otherwise.
    """
    try:
        with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r") as file:
            for name, dataset in _datasets(file):
                _check(name, dataset, largest)
    except Refusal as refusal:
        raise Refusal(f"{path} cannot be loaded: {refusal}") from refusal
    except Exception as error:  # zipfile and h5py raise many errors for damaged files
        raise Refusal(f"{path} cannot be loaded: {WEIGHTS}: {error}") from error


def _datasets(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield every data set to load, each once for any links between groups, without those of the optimizer."""
    waiting, seen = [("", group)], set()
    while waiting:
        path, parent = waiting.pop()
        for name in parent:
            place = f"{path}{name}"
            link = parent.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise Refusal(f"its weights at {place!r} are a {type(link).__name__} to elsewhere")
            if place == "optimizer":
                continue
            child = parent[name]
            address = h5py.h5o.get_info(child.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(child, h5py.Dataset):
                yield place, child
            elif isinstance(child, h5py.Group):
                waiting.append((f"{place}/", child))


def _check(name: str, dataset: Any, largest: int | None) -> None:
    if dataset.external or dataset.is_virtual:
        raise Refusal(f"its weights {name!r} are in another file")
    # The declared size, with at least 8 bytes per element of any type.
    declared = dataset.size * max(dataset.dtype.itemsize, 1) if dataset.shape is not None else 0
    if declared <= HARMLESS:
        return
    if largest is not None and declared > 8 * max(largest, 1):
        raise Refusal(
            f"its weights {name!r} are of shape {dataset.shape} ({dataset.dtype}), and the largest of the model has "
            f"{largest:,} numbers"
        )
    if largest is None and declared > LARGEST_EXPANSION * dataset.id.get_storage_size():
        raise Refusal(f"its weights {name!r} of shape {dataset.shape} are not stored in full")
