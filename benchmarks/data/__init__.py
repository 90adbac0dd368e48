"""Data sets of the paper: MNIST from this folder, those made of factors, any other from tensorflow-datasets."""

import functools
import re

from benchmarks.data.factors import load_pca_mnist, load_synthetic
from benchmarks.data.mnist import load_mnist
from benchmarks.data.splits import Split, Splits
from benchmarks.data.tfds import load_tfds

__all__ = ["Split", "Splits", "load", "load_mnist", "load_pca_mnist", "load_synthetic", "load_tfds"]


@functools.lru_cache(maxsize=1)
def load(name: str, *, flatten: bool = True) -> Splits:
    """The splits of a data set; read once per process.

    Args:
        name: `mnist`, `mnist-pca-D` or `synthetic-D` with a number of factors D, or a name of tensorflow-datasets.
        flatten: Images as vectors; those made of factors are vectors in any case.
    """
    if name == "mnist":
        return load_mnist(flatten=flatten)
    made = re.fullmatch(r"(mnist-pca|synthetic)-(\d+)", name)
    if made:
        return (load_synthetic if made[1] == "synthetic" else load_pca_mnist)(int(made[2]))
    return load_tfds(name, flatten=flatten)
