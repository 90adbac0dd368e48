"""Training, validation and test arrays of a data set."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Inputs (float32, images in [0, 1]) and one integer class id per sample."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.y)

    def first(self, samples: int | None) -> "Split":
        """Return the first samples, or all of them for None."""
        return Split(self.x[:samples], self.y[:samples])

    def where(self, kept: NDArray[np.bool_]) -> "Split":
        """Return the samples at which `kept` is true."""
        return Split(self.x[kept], self.y[kept])


@dataclass(frozen=True)
class Splits:
    """Training, validation and test split of a data set."""

    train: Split
    validation: Split
    test: Split

    @property
    def classes(self) -> int:
        """Number of classes, the largest id plus one."""
        return int(max(self.train.y.max(), self.test.y.max())) + 1

    def first(self, samples: int) -> "Splits":
        """Return the first samples of each split."""
        return Splits(*(split.first(samples) for split in (self.train, self.validation, self.test)))

    def of_first_classes(self, classes: int) -> "Splits":
        """Return the samples of the first classes."""
        return Splits(*(split.where(split.y < classes) for split in (self.train, self.validation, self.test)))

    def merged(self) -> "Splits":
        """Return the splits with the validation samples added after the training samples."""
        x = np.concatenate([self.train.x, self.validation.x])
        return replace(self, train=Split(x, np.concatenate([self.train.y, self.validation.y])))


def scaled(images: NDArray[Any], labels: NDArray[Any], *, flatten: bool) -> Split:
    """Return a split with the uint8 images scaled to [0, 1], as vectors if `flatten`."""
    x = images.reshape(len(images), -1) if flatten else images
    return Split(x.astype(np.float32) / np.float32(255), labels.astype(np.int32))
