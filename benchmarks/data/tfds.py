"""Any image classification data set by its name in tensorflow-datasets."""

import contextlib
import functools
import hashlib
import os
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.splits import Split, Splits, scaled

PATIENCE_SECONDS = 5.0
VALIDATION, SMALL = 10_000, 5_000
# Of the data sets that are stored here.
VERSION = "1.0.0"


def load_tfds(name: str, data_dir: str | Path | None = None, *, download: bool = False, flatten: bool = True) -> Splits:
    """Return the splits of a prepared data set; the last `validation_size` training samples validate.

    Args:
        name: Of the data set in tensorflow-datasets, such as `fashion_mnist`.
        data_dir: Where it is prepared; by default `TFDS_DATA_DIR`, or else `~/tensorflow_datasets`.
        download: Download and prepare it if it is not there.
        flatten: Images as vectors.

    Raises:
        ValueError: at once, if there is no such data set, it is neither prepared nor available, or its files are
            damaged.
    """
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        if not download:
            raise ValueError(_not_prepared(name, builder.data_path))
        _check_reachable(name, builder)
        builder.download_and_prepare()
    images, labels = _arrays(builder, "train")
    train = scaled(images, labels, flatten=flatten)
    test = scaled(*_arrays(builder, "test"), flatten=flatten)
    kept = len(train) - validation_size(len(train))
    return Splits(Split(train.x[:kept], train.y[:kept]), Split(train.x[kept:], train.y[kept:]), test)


def validation_size(samples: int) -> int:
    """Return how many of the training samples validate: 10,000 as in Appendix D, or a fifth if fewer would remain.

    At least 5,000 remain, as many as the largest of the paper's conditions of few samples has.
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
    """Return the digest of a file, which is read again once its size or time has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_tfds(name: str, arrays: dict[str, Any], data_dir: str | Path | None = None) -> Path:
    """Write images and class ids as a prepared data set, version 1.0.0, and return its folder.

    Args:
        name: Of the data set.
        arrays: uint8 images `x_train` and `x_test`, (N, height, width, channels), and class ids `y_train`, `y_test`.
        data_dir: Where data sets are; by default as in `load_tfds`.

    Raises:
        ValueError: if a data set of this name exists.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    root = _root(data_dir)
    place = root / name / VERSION
    if place.exists():
        raise ValueError(f"Expected a name that is not taken. Received: {name!r}, which is in {place}")
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
            # tensorflow-datasets looks for a version of its own where it knows the name.
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
    """Return where data sets are, as tensorflow-datasets does, but with the environment of now."""
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
    """Turn whatever tensorflow-datasets raises for damaged files into a ValueError of one line."""
    import tensorflow_datasets as tfds

    try:
        yield
    except tfds.core.DatasetNotFoundError:
        raise
    except Exception as error:
        received = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Expected the files of data set '{name}' to be whole; prepare it again. "
            f"Received: {type(error).__name__}: {received}"
        ) from error


def _check_reachable(name: str, builder: Any) -> None:
    """Raise a ValueError within seconds where there is no network; tensorflow-datasets would try for minutes."""
    for url in builder.url_infos or {}:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout=PATIENCE_SECONDS).close()
        except OSError as error:
            raise ValueError(
                f"Expected data set '{name}' to be prepared in {builder.data_path}, or a connection to "
                f"{parts.hostname} to download it. Prepare it where there is a connection and name its folder by "
                f"the environment variable TFDS_DATA_DIR. Received: {error}"
            ) from None
        return
