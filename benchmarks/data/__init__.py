"""Data sets of the paper: MNIST from this folder, any other by its name from tensorflow-datasets."""

import functools

from benchmarks.data.mnist import load_mnist
from benchmarks.data.splits import Split, Splits
from benchmarks.data.tfds import load_tfds

__all__ = ["Split", "Splits", "load", "load_mnist", "load_tfds"]


@functools.lru_cache(maxsize=1)
def load(name: str) -> Splits:
    """The splits of a data set, images as vectors; read once per process."""
    return load_mnist() if name == "mnist" else load_tfds(name)
