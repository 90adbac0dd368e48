"""A random subset of the samples, which is shuffled into independent data with the same marginal distributions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The maximum number of samples kept.
KEPT = 2048


class MarginSample:
    """Keeps a uniform random subset of up to `KEPT` samples from any batches.

    Args:
        seed: The seed of the choice and the shuffling of samples.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._keys_to_come = np.random.default_rng(seed)
        self._keys = np.zeros(0)
        self._rows: NDArray[Any] = np.zeros((0, 0), np.float32)

    def update(self, z: NDArray[Any]) -> None:
        """Add a batch of shape (N, M)."""
        self._add(self._keys_to_come.random(len(z)), z)

    def merge(self, other: "MarginSample") -> None:
        """Add the samples kept by another accumulator."""
        if len(other._keys):
            self._add(other._keys, other._rows)

    def _add(self, keys: NDArray[np.float64], z: NDArray[Any]) -> None:
        if len(self._keys) == KEPT:
            few = keys < self._keys.max()
            keys, z = keys[few], z[few]
        if not len(keys):
            return
        keys = np.concatenate([self._keys, keys])
        rows = np.concatenate([self._rows.reshape(len(self._keys), z.shape[1]), z])
        kept = np.argsort(keys, kind="stable")[:KEPT]
        self._keys, self._rows = keys[kept], rows[kept]

    def independent_units(self, samples: int) -> Iterator[NDArray[Any]]:
        """Yield batches with this total number of samples, with the values of each unit shuffled independently."""
        rng = np.random.default_rng(self._seed)
        rows = np.sort(self._rows, axis=0)  # makes the result independent of the order of the samples
        for start in range(0, samples, max(len(rows), 1)):
            yield rng.permuted(rows, axis=0)[: samples - start]

    def shuffled_labels(
        self, labels: list[Any], counts: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.intp]]]:
        """Yield batches of samples with random classes of the same sizes, given as indices into `labels`."""
        rng = np.random.default_rng(self._seed)
        # The order depends neither on the batches nor on which worker had a class first.
        by_name = sorted(range(len(labels)), key=lambda k: str(labels[k]))
        classes = rng.permutation(np.repeat(by_name, counts[by_name]))
        rows = self._rows[np.argsort(self._rows @ rng.normal(size=self._rows.shape[1]), kind="stable")]
        for start in range(0, len(classes), max(len(rows), 1)):
            part = classes[start : start + len(rows)]
            yield rows[rng.permutation(len(rows))[: len(part)]], part
