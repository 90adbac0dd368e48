"""The characteristics of one layer, accumulated over batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.chance import MarginSample
from keras_repreg.characteristics.classes import ClassMoments
from keras_repreg.characteristics.covariances import Covariances
from keras_repreg.characteristics.definitions import (
    AT_CHANCE,
    CHARACTERISTICS,
    CHEAP,
    LINEAR,
    Measured,
    needs_of,
    select,
    with_chance,
)
from keras_repreg.characteristics.memory import available_memory, in_words
from keras_repreg.characteristics.moments import Moments
from keras_repreg.characteristics.single_units import PER_UNIT, unit_table
from keras_repreg.characteristics.table import UnitsTable
from keras_repreg.characteristics.units import UnitMoments


class Characteristics:
    """Accumulates batches of activations (N, M) and computes their characteristics.

    Args:
        positive_only: Compute amplitude, covariance and correlation over positive activations only, as the paper does
            for ReLU layers; covariance and correlation of a pair use the samples where both are positive.
        characteristics: Names as in `keras_repreg.measure`; by default those of Table 1. If none of them needs pairs of
            units or the covariance, memory grows with the number of units and not with its square.
        moments: Accumulate `moments` in float64 if the covariance is needed. Otherwise float32 activations are
            multiplied in float32 if this is sufficient for the chosen characteristics.
        chance: Also return each value at chance as `<name>_at_chance`; see `keras_repreg.characterize`. A random subset
            of up to 2048 samples is then kept.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.characteristics import Characteristics
        >>> accumulator = Characteristics(characteristics=["sparsity", "dead_units"])
        >>> for batch in np.split(np.array([[0.0, 1.0], [0.0, 0.0]]), 2):
        ...     accumulator.update(batch)
        >>> accumulator.result()
        {'sparsity': 0.75, 'dead_units': 0.5}
    """

    def __init__(
        self,
        positive_only: bool = True,
        characteristics: str | Sequence[str] | None = None,
        *,
        moments: bool = True,
        chance: bool = False,
    ):
        check_bool(positive_only, "positive_only")
        check_bool(moments, "moments")
        check_bool(chance, "chance")
        self.positive_only = positive_only
        self.chance = chance
        self._keeps_moments = moments
        self._names = characteristics
        self._needs = needs_of(select(characteristics, labelled=True))
        self._labelled: bool | None = None
        self._width: int | None = None
        self._not_finite = 0
        self._samples = 0
        self._units = UnitMoments(positive_only, spread="unit moments" in self._needs)
        self._classes = ClassMoments()
        self._all = self._covariances()
        self._within: dict[Any, Covariances] = {}
        self._margins = MarginSample()

    def _covariances(self, of: str = "") -> Covariances:
        """Return an accumulator for all samples, or for those of a class."""
        pairs, covariance = self._second_order(of)
        precise = of + "covariance" in self._needs or (self._keeps_moments and not of)
        return Covariances(pairs, covariance, precise)

    def _second_order(self, of: str) -> tuple[bool, bool]:
        """Return whether pairs of positive values, and the covariance of all values, are needed."""
        pairs = of + "pairs" in self._needs
        covariance = bool({of + "norms", of + "covariance"} & self._needs)
        return pairs and self.positive_only, covariance or (pairs and not self.positive_only)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return self._samples

    @property
    def width(self) -> int:
        """M, the number of units; 0 before the first batch."""
        return self._width or 0

    @property
    def has_covariance(self) -> bool:
        """Whether the covariance of all values is accumulated because a chosen characteristic needs it."""
        return self._second_order("")[1]

    @property
    def moments(self) -> Moments:
        """The mean and covariance of all values.

        Raises:
            ValueError: if no chosen characteristic needs the covariance.
        """
        if not self.has_covariance:
            raise ValueError(f"Expected a characteristic that needs the covariance. Received: {self._names}")
        return self._all.moments

    def spectrum(self) -> NDArray[np.float64]:
        """The eigenvalues of the covariance, the largest first; see `moments`."""
        if not self.has_covariance:
            raise ValueError(f"Expected a characteristic that needs the covariance. Received: {self._names}")
        return self._all.now().eigenvalues

    @property
    def finite(self) -> bool:
        """Whether all values are finite; otherwise all characteristics are NaN."""
        return not self._not_finite

    def memory(self, units: int, classes: int = 0, samples: int | None = None) -> int:
        """Return the maximum memory in bytes, for any number of samples.

        Args:
            units: M, the number of units.
            classes: K, the number of classes, 0 without labels.
            samples: If given, return the memory after this number of samples in float32.

        Examples:
            >>> from keras_repreg.characteristics import Characteristics
            >>> Characteristics().memory(units=2_000) // 2**20
            183
            >>> Characteristics(characteristics=["sparsity", "mean"]).memory(units=50_000) // 2**20
            3
        """
        held = 64 * units * (1 + classes * ("classes" in self._needs))
        for of, number in (("", 1), ("class ", classes)):
            pairs, covariance = self._second_order(of)
            if pairs or covariance:
                held += number * Covariances.memory(units, pairs, covariance, samples)
        return held

    def _check_memory(self, units: int) -> None:
        if self._needs <= LINEAR:
            return
        needed, available = self.memory(units), available_memory()
        if needed > available:
            raise ValueError(
                f"Expected enough memory for matrices of {units:,} x {units:,} units: {in_words(needed)}, and "
                f"{in_words(available)} are available. Choose from the characteristics without such matrices: "
                f"{', '.join(CHEAP)}. Received: characteristics={self._names}"
            )

    def update(self, z: NDArray[Any], labels: NDArray[Any] | None = None) -> None:
        """Add a batch of shape (N, M), with the class of each sample for class characteristics.

        Raises:
            ValueError: if the number of units differs from earlier batches, only some batches have labels, or the M x M
                matrices do not fit into memory.
        """
        z = np.asarray(z)
        if z.ndim != 2 or self._width not in (None, z.shape[1]):
            raise ValueError(f"Expected batches of {self._width or 'M'} units. Received: shape {z.shape}")
        labelled = labels is not None
        if self._labelled not in (None, labelled):
            raise ValueError(f"Expected labels with all batches or with none. Received: labels={labels!r}")
        if self._width is None:
            self._check_memory(z.shape[1])
        self._width, self._labelled = z.shape[1], labelled
        self._samples += len(z)
        if z.dtype.kind not in "iu" and z.dtype not in (np.float32, np.float64):
            z = z.astype(np.float32 if z.dtype.itemsize <= 2 else np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            total = z.sum()
        if not np.isfinite(total):
            self._not_finite += int(z.size - np.isfinite(z).sum())
        if self._not_finite:
            return
        if {"units", "unit moments"} & self._needs:
            self._units.update(z)
        if any(self._second_order("")):
            self._all.update(z)
        if self.chance:
            self._margins.update(z)
        if labels is not None and "classes" in self._needs:
            self._classes.update(z, labels)
            if any(self._second_order("class ")):
                for label in np.unique(labels):
                    self._of_class(label.item()).update(z[labels == label])

    def _of_class(self, label: Any) -> Covariances:
        if label not in self._within:
            self._within[label] = self._covariances("class ")
        return self._within[label]

    def merge(self, other: "Characteristics") -> None:
        """Add the samples of another accumulator, such as that of another worker.

        Raises:
            ValueError: if its settings or its number of units differ.
        """
        if other._settings() != self._settings():
            raise ValueError(f"Expected an accumulator with {self._settings()}. Received: {other._settings()}")
        if None not in (self._width, other._width) and self._width != other._width:
            raise ValueError(f"Expected an accumulator of {self._width} units. Received: {other._width} units")
        if None not in (self._labelled, other._labelled) and self._labelled != other._labelled:
            raise ValueError(f"Expected both accumulators to have labels, or neither. Received: {other._labelled=}")
        self._width = self._width or other._width
        self._labelled = other._labelled if self._labelled is None else self._labelled
        self._samples += other._samples
        self._not_finite += other._not_finite
        self._units.merge(other._units)
        self._classes.merge(other._classes)
        self._all.merge(other._all)
        self._margins.merge(other._margins)
        for label, covariances in other._within.items():
            self._of_class(label).merge(covariances)

    def _settings(self) -> str:
        return f"positive_only={self.positive_only}, characteristics={self._names}, chance={self.chance}"

    def result(self) -> dict[str, Any]:
        """Return the characteristics by name: floats, and an array for a spectrum.

        Undefined values (no sample, no pair) are 0. If an activation is NaN or infinite, all values are NaN.

        Raises:
            ValueError: if class characteristics were chosen by name and no batch had labels.
        """
        names = select(self._names, labelled=bool(self._labelled))
        if not self.finite:
            keys = with_chance(names) if self.chance else names
            return {name: np.full(self.width, np.nan) if name == "spectrum" else float("nan") for name in keys}
        measured = Measured(
            self._units,
            self._classes,
            self._all.now(),
            [self._within[label].now() for label in self._classes.labels if label in self._within],
        )
        found = {name: CHARACTERISTICS[name].value(measured) for name in names}
        if not self.chance:
            return found
        found |= self._at_chance(names)
        return {key: found[key] for key in with_chance(names)}

    @property
    def dead(self) -> NDArray[np.intp]:
        """Return the indices of the units that are zero for every sample."""
        return np.flatnonzero(self._units.dead)

    def units(self) -> UnitsTable:
        """Return statistics of each unit: see `keras_repreg.measure_units`.

        Raises:
            ValueError: if `PER_UNIT` is not among the chosen characteristics, or a value is not finite.
        """
        missing = needs_of(PER_UNIT) - self._needs
        if missing or not self.finite:
            received = f"without {sorted(missing)}" if missing else f"{self._not_finite} NaN or infinite values"
            raise ValueError(f"Expected finite values and all of the characteristics {PER_UNIT}. Received: {received}")
        return unit_table(self._units, self._all.now(), self._classes)

    def _at_chance(self, names: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        chosen = {
            kind: [name for name in names if CHARACTERISTICS[name].chance == kind] for kind in ("units", "labels")
        }
        if chosen["units"]:
            independent = Characteristics(self.positive_only, chosen["units"])
            for batch in self._margins.independent_units(self._samples):
                independent.update(batch)
            found |= independent.result()
        if chosen["labels"]:
            shuffled = Characteristics(self.positive_only, chosen["labels"])
            for batch, classes in self._margins.shuffled_labels(self._classes.labels, self._classes.counts):
                shuffled.update(batch, classes)
            found |= shuffled.result() if shuffled.samples else dict.fromkeys(chosen["labels"], 0.0)
        return {name + AT_CHANCE: value for name, value in found.items()}


def check_bool(value: Any, name: str) -> None:
    """Check that an argument is True or False.

    Raises:
        TypeError: if it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"Expected `{name}` to be True or False. Received: {name}={value!r}")
