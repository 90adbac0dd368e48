"""CKA between many pairs of layers, from the Gram matrices of batches."""

from collections.abc import Sequence

import numpy as np

from keras_repreg.characteristics.moments import Array
from keras_repreg.similarity.cross_moments import ratio

# HSIC_1 is not defined for fewer samples.
SMALLEST = 4


def u_centred(z: Array) -> Array:
    """Return the U-centred Gram matrix of the samples, shape (N * N,).

    The inner product of two of these, divided by N (N - 3), is the unbiased HSIC_1.

    Reference:
        Szekely and Rizzo (2014), "Partial distance correlation with methods for dissimilarities", definition 2.
    """
    n = len(z)
    z = z - z.mean(axis=0)
    gram = z @ z.T
    np.fill_diagonal(gram, 0)
    rows = gram.sum(axis=1) / (n - 2)
    centred = gram - rows[:, None] - rows + gram.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred.ravel()


class Alignment:
    """Accumulates HSIC_1 between all pairs of layers of two networks over batches.

    As in Nguyen et al. (2021): HSIC_1 of a batch is unbiased, and so is its mean over batches. Batches of fewer than
    four samples are ignored.

    Args:
        a: The number of layers of the first network.
        b: The number of layers of the second network.
    """

    def __init__(self, a: int, b: int):
        self._cross = np.zeros((a, b))
        self._a, self._b = np.zeros(a), np.zeros(b)
        self.samples = 0

    def update(self, a: Sequence[Array], b: Sequence[Array]) -> None:
        """Add a batch: `u_centred` of each layer."""
        n = int(np.sqrt(len(a[0])))
        first, second = np.stack(a), np.stack(b)
        # Weighted by the number of samples, so that a smaller last batch counts less.
        weight = n / (n * (n - 3))
        self._cross += weight * (first @ second.T)
        self._a += weight * np.square(first).sum(axis=1)
        self._b += weight * np.square(second).sum(axis=1)
        self.samples += n

    def cka(self) -> Array:
        """Return the CKA of each pair of layers, shape (a, b)."""
        return np.array(
            [
                [ratio(x, p, q) for x, q in zip(row, self._b, strict=True)]
                for row, p in zip(self._cross, self._a, strict=True)
            ]
        )
