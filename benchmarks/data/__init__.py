"""Data sets: MNIST from this folder, data with a known number of factors, and any from tensorflow-datasets."""

import functools
import hashlib
import json
import re

from benchmarks.data import factors, mnist, tfds
from benchmarks.data.factors import load_pca_mnist, load_synthetic
from benchmarks.data.mnist import load_mnist
from benchmarks.data.splits import Split, Splits
from benchmarks.data.tfds import load_tfds

__all__ = ["Split", "Splits", "digest", "load", "load_mnist", "load_pca_mnist", "load_synthetic", "load_tfds"]

_FIRST = re.compile(r"(.+):(\d+)")
_MADE = re.compile(r"(mnist-pca|synthetic)-(\d+)")


def load(name: str, *, flatten: bool = True) -> Splits:
    """Return the splits of a data set. They are cached until the data change.

    Args:
        name: `mnist`, `mnist-pca-D` or `synthetic-D` with D factors, or the name of a data set in tensorflow-datasets.
            `NAME:N` is the first N samples of each split.
        flatten: Whether to flatten images. Data made of factors are always vectors.
    """
    first = _FIRST.fullmatch(name)
    if first:
        return load(first[1], flatten=flatten).first(int(first[2]))
    return _load(name, flatten, digest(name))


def digest(name: str) -> str:
    """Return a digest of the source of a data set, so that results on changed data are not reused.

    Raises:
        ValueError: if there is no such data set.
    """
    made, first = _MADE.fullmatch(name), _FIRST.fullmatch(name)
    if first:
        content = f"{digest(first[1])}:{first[2]}"
    elif name == "mnist":
        content = mnist.checksums()
    elif made:
        source = mnist.checksums() if made[1] == "mnist-pca" else factors.recipe()
        content = json.dumps([name, source])
    else:
        content = tfds.checksums(name)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def _load(name: str, flatten: bool, _digest: str) -> Splits:
    if name == "mnist":
        return load_mnist(flatten=flatten)
    made = _MADE.fullmatch(name)
    if made:
        return (load_synthetic if made[1] == "synthetic" else load_pca_mnist)(int(made[2]))
    return load_tfds(name, flatten=flatten)
