"""The characteristics of one layer, accumulated over batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.classes import ClassMoments
from keras_repreg.characteristics.definitions import CHARACTERISTICS, Measured, select
from keras_repreg.characteristics.moments import Moments
from keras_repreg.characteristics.positive import PositiveMoments
from keras_repreg.characteristics.spectrum import eigenvalues
from keras_repreg.characteristics.units import UnitMoments

# A product of M x M costs the same for a few samples as for M of them: rows wait until there are this many.
BLOCK = 1024


class Characteristics:
    """Accumulates batches of activations (N, M), whose characteristics `result()` gives.

    Args:
        positive_only: Take amplitude, covariance and correlation over positive activations only, as the paper
            does for ReLU layers; covariance and correlation of a pair then over the samples where both are
            positive.
        characteristics: Which ones, as `keras_repreg.measure` has it; by default those of Table 1. Without any
            of pairs of units or of the covariance, memory grows with the number of units and not with its square.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.characteristics import Characteristics
        >>> accumulator = Characteristics(characteristics=["sparsity", "dead_units"])
        >>> for batch in np.split(np.array([[0.0, 1.0], [0.0, 0.0]]), 2):
        ...     accumulator.update(batch)
        >>> accumulator.result()
        {'sparsity': 0.75, 'dead_units': 0.5}
    """

    def __init__(self, positive_only: bool = True, characteristics: str | Sequence[str] | None = None):
        check_positive_only(positive_only)
        self.positive_only = positive_only
        self._names = characteristics
        chosen = [CHARACTERISTICS[name] for name in select(characteristics, labelled=True)]
        needs = frozenset().union(*(characteristic.needs for characteristic in chosen))
        self._pairs = "pairs" in needs and positive_only
        # What is accumulated of pairs of positive values tells the covariance of all values too, until one is negative.
        self._whole = bool(needs & {"pairs", "covariance"}) and not self._pairs
        self._needs_covariance = bool(needs & {"pairs", "covariance"})
        self._needs_units = "units" in needs
        self._needs_classes = "classes" in needs
        self._labelled: bool | None = None
        self._width: int | None = None
        self._not_finite = 0
        self._double = False
        self._block = np.empty((0, 0))
        self._waiting = 0
        self._moments = Moments()
        self._positive = PositiveMoments()
        self._units = UnitMoments(positive_only)
        self._classes = ClassMoments()
        self._samples = 0

    @property
    def samples(self) -> int:
        """How many samples there were so far."""
        return self._samples

    @property
    def width(self) -> int:
        """M, the number of units; 0 before the first batch."""
        return self._width or 0

    @property
    def has_covariance(self) -> bool:
        """Whether the covariance is accumulated: some chosen characteristic needs it."""
        return self._needs_covariance

    @property
    def moments(self) -> Moments:
        """Mean and covariance of all values so far.

        Raises:
            ValueError: if no chosen characteristic needs the covariance.
        """
        if not self.has_covariance:
            raise ValueError(f"Expected a characteristic that needs the covariance. Received: {self._names}")
        self._flush()
        return self._moments if self._whole else self._positive.all_values()

    def spectrum(self) -> NDArray[np.float64]:
        """The eigenvalues of the covariance so far, the largest first; see `moments`."""
        return eigenvalues(self.moments.covariance)

    @property
    def finite(self) -> bool:
        """Whether no value so far was NaN or infinite; otherwise all characteristics are NaN."""
        return not self._not_finite

    def update(self, z: NDArray[Any], labels: NDArray[Any] | None = None) -> None:
        """Add a batch of shape (N, M), with the class of each sample where characteristics of classes are wanted.

        Raises:
            ValueError: if the number of units differs from earlier batches, or only some batches have labels.
        """
        z = np.asarray(z)
        if z.ndim != 2 or self._width not in (None, z.shape[1]):
            raise ValueError(f"Expected batches of {self._width or 'M'} units. Received: shape {z.shape}")
        labelled = labels is not None
        if self._labelled not in (None, labelled):
            raise ValueError(f"Expected labels with all batches or with none. Received: labels={labels!r}")
        self._width, self._labelled = z.shape[1], labelled
        self._samples += len(z)
        with np.errstate(invalid="ignore", over="ignore"):
            total = z.sum(dtype=np.float64)
        if not np.isfinite(total):
            self._not_finite += int(z.size - np.isfinite(z).sum())
        if self._not_finite:
            self._waiting = 0
            return
        self._double = self._double or (self._needs_covariance and has_digits_of_float64(z))
        if labels is not None and self._needs_classes:
            self._classes.update(z.astype(np.float64, copy=False), labels)
        for start in range(0, len(z), BLOCK):
            self._gather(z[start : start + BLOCK])

    def _gather(self, z: NDArray[Any]) -> None:
        if len(z) == BLOCK and z.dtype == np.float64 and not self._waiting:
            self._add(z)
            return
        if not self._block.size:
            self._block = np.empty((BLOCK, z.shape[1]))
        room = BLOCK - self._waiting
        self._block[self._waiting : self._waiting + min(len(z), room)] = z[:room]
        self._waiting += min(len(z), room)
        if self._waiting == BLOCK:
            self._flush()
            if len(z) > room:
                self._gather(z[room:])

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, 0
        if waiting:
            self._add(self._block[:waiting])

    def _add(self, z: NDArray[np.float64]) -> None:
        if self._needs_units:
            self._units.update(z)
        if self._pairs:
            if not self._whole and z.min(initial=0) < 0:
                self._take_all_values()
            self._positive.update(z)
        if self._whole:
            self._moments.update(z)

    def _take_all_values(self) -> None:
        """From here on all values have moments of their own: there are negative ones."""
        self._moments, self._whole = self._positive.all_values(), True

    def merge(self, other: "Characteristics") -> None:
        """Add what another accumulator, of another worker say, has seen.

        Raises:
            ValueError: if the other one has other settings or another number of units.
        """
        if (other.positive_only, other._names) != (self.positive_only, self._names):
            raise ValueError(
                f"Expected an accumulator with positive_only={self.positive_only}, characteristics={self._names}. "
                f"Received: positive_only={other.positive_only}, characteristics={other._names}"
            )
        if None not in (self._width, other._width) and self._width != other._width:
            raise ValueError(f"Expected an accumulator of {self._width} units. Received: {other._width} units")
        if None not in (self._labelled, other._labelled) and self._labelled != other._labelled:
            raise ValueError(f"Expected accumulators that both saw labels, or none. Received: {other._labelled=}")
        self._flush()
        other._flush()
        self._width = self._width or other._width
        self._labelled = other._labelled if self._labelled is None else self._labelled
        self._samples += other._samples
        self._not_finite += other._not_finite
        self._double |= other._double
        if self._pairs and self._whole != other._whole:
            for accumulator in (self, other):
                if not accumulator._whole:
                    accumulator._take_all_values()
        self._moments.merge(other._moments)
        self._positive.merge(other._positive)
        self._units.merge(other._units)
        self._classes.merge(other._classes)

    def result(self) -> dict[str, Any]:
        """The characteristics so far by name, floats but for the array of a spectrum.

        What is not defined (no sample, no pair) is 0; all are NaN after a value that is not finite.

        Raises:
            ValueError: if characteristics of classes were chosen by name and no batch had labels.
        """
        names = select(self._names, labelled=bool(self._labelled))
        if not self.finite:
            return {name: np.full(self.width, np.nan) if name == "spectrum" else float("nan") for name in names}
        self._flush()
        measured = Measured(
            self._units,
            self._classes,
            self.moments if self.has_covariance else Moments(),
            self._positive if self._pairs else None,
            self._double,
        )
        return {name: CHARACTERISTICS[name].value(measured) for name in names}


def check_positive_only(value: Any) -> None:
    """That `positive_only` is a bool, or a TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"Expected `positive_only` to be True or False. Received: positive_only={value!r}")


def has_digits_of_float64(z: NDArray[Any]) -> bool:
    """Whether some value has more digits than float32 holds; whole numbers are taken to be exact."""
    with np.errstate(over="ignore"):
        return z.dtype.kind in "iu" or (z.dtype == np.float64 and bool((z != z.astype(np.float32)).any()))
