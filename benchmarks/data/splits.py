"""Training, validation and test arrays of a data set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Inputs, float32 in [0, 1], and integer class ids of the same number of samples."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.y)

    def first(self, samples: int) -> "Split":
        """The first so many samples."""
        return Split(self.x[:samples], self.y[:samples])


@dataclass(frozen=True)
class Splits:
    """The three splits of an experiment."""

    train: Split
    validation: Split
    test: Split


def scaled(images: NDArray[Any], labels: NDArray[Any], *, flatten: bool) -> Split:
    """A split of uint8 images with pixels in [0, 1], as vectors if `flatten`."""
    x = images.reshape(len(images), -1) if flatten else images
    return Split(x.astype(np.float32) / np.float32(255), labels.astype(np.int32))
