"""The two data sets of section 4.3, made of a known number D of independent factors.

`synthetic-D`: ten classes of scikit-learn's `make_classification` in D informative Gaussian factors, mixed into 1000
inputs by a random matrix with orthonormal columns. `mnist-pca-D`: MNIST with all but the first D principal components
of the training images removed.
"""

import importlib.metadata
import itertools
from typing import Any

import numpy as np

from benchmarks.data.mnist import load_mnist
from benchmarks.data.splits import Split, Splits

FACTORS = (10, 50, 100, 250, 500)
INPUTS, CLASSES = 1000, 10
# The paper does not give the number of samples. scikit-learn's classes are harder to separate than digits, and with
# this many samples the networks' accuracies still differ.
TRAINING, HELD_OUT = 20_000, 5_000


def load_synthetic(factors: int) -> Splits:
    """Return synthetic data with this number of factors: 20,000 training, 5,000 validation and 5,000 test samples."""
    from sklearn.datasets import make_classification

    if not 4 <= factors <= INPUTS:
        raise ValueError(f"Expected 4 to {INPUTS} factors. Received: {factors}")
    total = TRAINING + 2 * HELD_OUT
    x, y = make_classification(
        total, factors, n_informative=factors, n_redundant=0, n_classes=CLASSES, n_clusters_per_class=1, random_state=0
    )
    mixing, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(INPUTS, factors)))
    return _split((x @ mixing.T).astype(np.float32), y.astype(np.int32))


def recipe() -> str:
    """Return everything that the synthetic data depend on except the number of factors."""
    return f"scikit-learn {importlib.metadata.version('scikit-learn')}, {TRAINING}, {HELD_OUT}, {INPUTS}, {CLASSES}"


def load_pca_mnist(factors: int) -> Splits:
    """Return MNIST images reconstructed from the first principal components of the training images."""
    from sklearn.decomposition import PCA

    mnist = load_mnist()
    if not 1 <= factors <= mnist.train.x.shape[1]:
        raise ValueError(f"Expected 1 to {mnist.train.x.shape[1]} factors. Received: {factors}")
    pca = PCA(factors, svd_solver="covariance_eigh").fit(mnist.train.x)
    return Splits(
        *(
            Split(pca.inverse_transform(pca.transform(split.x)).astype(np.float32), split.y)
            for split in (mnist.train, mnist.validation, mnist.test)
        )
    )


def _split(x: Any, y: Any) -> Splits:
    ends = (0, TRAINING, TRAINING + HELD_OUT, len(y))
    return Splits(*(Split(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)))
