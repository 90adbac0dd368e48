"""Image classification data sets from tensorflow-datasets."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.splits import Split, Splits, scaled

VALIDATION, SMALL = 10_000, 5_000
# Version of the data sets that `store_tfds` writes.
VERSION = "1.0.0"


def load_tfds(name: str, data_dir: str | Path | None = None, *, flatten: bool = True) -> Splits:
    """Return the splits of a prepared data set; the last `validation_size` training samples are for validation.

    Args:
        name: Name of the data set in tensorflow-datasets, such as `fashion_mnist`.
        data_dir: Folder in which it is prepared; by default `TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        flatten: Whether to flatten images to vectors.

    Raises:
        ValueError: if there is no such data set, it is not prepared, or its files are damaged.
    """
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        raise ValueError(_not_prepared(name, builder.data_path))
    images, labels = _arrays(builder, "train")
    train = scaled(images, labels, flatten=flatten)
    test = scaled(*_arrays(builder, "test"), flatten=flatten)
    kept = len(train) - validation_size(len(train))
    return Splits(Split(train.x[:kept], train.y[:kept]), Split(train.x[kept:], train.y[kept:]), test)


def validation_size(samples: int) -> int:
    """Return the number of validation samples: 10,000 as in Appendix D, or a fifth if fewer than 5,000 would remain.

    The paper's conditions with few samples need up to 5,000 training samples.
    """
    return VALIDATION if samples >= VALIDATION + SMALL else samples // 5


def checksums(name: str, data_dir: str | Path | None = None) -> str:
    """Return the SHA-256 of each file of a prepared data set, one line per file.

    Raises:
        ValueError: if there is no such data set, or it is not prepared.
    """
    folder = Path(_builder(name, data_dir).data_path)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ValueError(_not_prepared(name, folder))
    stats = {path: path.stat() for path in files}
    return "\n".join(
        f"{_sha256(path, stat.st_size, stat.st_mtime_ns)}  {path.relative_to(folder)}" for path, stat in stats.items()
    )


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    """Return the digest of a file; size and modification time are part of the cache key."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_tfds(name: str, arrays: dict[str, Any], data_dir: str | Path | None = None) -> Path:
    """Write images and class ids as a prepared data set, version 1.0.0, and return its folder.

    Args:
        name: Name of the data set.
        arrays: uint8 images `x_train` and `x_test`, (N, height, width, channels), and class ids `y_train`, `y_test`.
        data_dir: Folder of the data sets; by default as in `load_tfds`.

    Raises:
        ValueError: if a data set of this name exists.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    root = _root(data_dir)
    place = root / name / VERSION
    if place.exists():
        raise ValueError(f"Expected an unused name. Received: {name!r}, which exists in {place}")
    classes = 1 + max(int(arrays["y_train"].max()), int(arrays["y_test"].max()))
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=VERSION,
        data_dir=root,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=arrays["x_train"].shape[1:]),
                "label": tfds.features.ClassLabel(num_classes=classes),
            }
        ),
        split_datasets={
            part: tf.data.Dataset.from_tensor_slices(
                {"image": arrays[f"x_{part}"], "label": arrays[f"y_{part}"].astype(np.int64)}
            )
            for part in ("train", "test")
        },
        disable_shuffling=True,
    )
    return place


def _builder(name: str, data_dir: str | Path | None) -> Any:
    import tensorflow_datasets as tfds

    try:
        with _undamaged(name):
            builder = tfds.builder(name, data_dir=_root(data_dir))
            stored = _root(data_dir) / name / VERSION
            # For a name that it knows, tensorflow-datasets looks for the version in its catalogue only.
            if not builder.is_prepared() and stored.is_dir():
                builder = tfds.builder_from_directory(stored)
            return builder
    except tfds.core.DatasetNotFoundError:
        raise ValueError(f"Expected the name of a data set of tensorflow-datasets. Received: {name!r}") from None


def _not_prepared(name: str, folder: str | Path) -> str:
    return (
        f"Expected data set '{name}' to be prepared in {folder}. With a network connection, "
        f"`python -c \"import tensorflow_datasets as tfds; tfds.load('{name}')\"` prepares it; a folder prepared "
        "elsewhere can be named by the environment variable TFDS_DATA_DIR. Received: no such folder"
    )


def _root(data_dir: str | Path | None) -> Path:
    """Return the folder of data sets as tensorflow-datasets does, but read the environment at each call."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _arrays(builder: Any, split: str) -> tuple[Any, Any]:
    import tensorflow_datasets as tfds

    image, label = (builder.info.supervised_keys or ("image", "label"))[:2]
    if split not in builder.info.splits or not {image, label} <= set(builder.info.features):
        raise ValueError(
            "Expected an image classification data set with train and test splits. "
            f"Received: '{builder.name}' with splits {list(builder.info.splits)} and features "
            f"{list(builder.info.features)}"
        )
    with _undamaged(builder.name):
        arrays = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return np.asarray(arrays[image]), np.asarray(arrays[label])


@contextlib.contextmanager
def _undamaged(name: str) -> Iterator[None]:
    """Turn any exception for damaged files into a one-line ValueError."""
    import tensorflow_datasets as tfds

    try:
        yield
    except tfds.core.DatasetNotFoundError:
        raise
    except Exception as error:
        received = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Expected the files of data set '{name}' to be intact; prepare it again. "
            f"Received: {type(error).__name__}: {received}"
        ) from error
