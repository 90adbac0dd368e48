"""The characteristics by name: what each one is, and what has to be accumulated for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keras_repreg.characteristics import spectrum
from keras_repreg.characteristics.classes import ClassMoments
from keras_repreg.characteristics.moments import Array, Moments
from keras_repreg.characteristics.pairs import Pairs, mean
from keras_repreg.characteristics.positive import PositiveMoments
from keras_repreg.characteristics.units import UnitMoments


@dataclass(frozen=True)
class Measured:
    """What the accumulators hold at one moment, and what several characteristics share of it, computed once."""

    units: UnitMoments
    classes: ClassMoments
    moments: Moments
    positive: PositiveMoments | None
    double: bool

    @cached_property
    def covariance(self) -> Array:
        return self.moments.covariance

    @cached_property
    def eigenvalues(self) -> Array:
        return spectrum.eigenvalues(self.covariance)

    @cached_property
    def pairs(self) -> Pairs:
        return Pairs(self.moments, self.positive, self.double)

    @cached_property
    def class_variances(self) -> tuple[float, float]:
        return self.classes.variances()

    @cached_property
    def singular_values(self) -> Array:
        """Of Z, over sqrt(N)."""
        mu = self.moments.mean
        return np.sqrt(spectrum.eigenvalues(self.covariance + np.outer(mu, mu)))


@dataclass(frozen=True)
class Characteristic:
    """One characteristic: its meaning in a line, the accumulators that it needs, and its value.

    `needs` names some of "units", "pairs", "covariance" and "classes". Where "pairs" and "covariance" are missing no
    units x units matrix is formed.
    """

    meaning: str
    needs: frozenset[str]
    value: Callable[[Measured], float | Array]


def _of(meaning: str, needs: str, value: Callable[[Measured], float | Array]) -> Characteristic:
    return Characteristic(meaning, frozenset(needs.split()), value)


CHARACTERISTICS: dict[str, Characteristic] = {
    "amplitude": _of("mean absolute value; of ReLU, of the positive ones", "units", lambda m: m.units.amplitude),
    "covariance": _of(
        "mean over pairs of units of the absolute covariance", "pairs", lambda m: mean(np.abs(m.pairs.covariances))
    ),
    "correlation": _of(
        "mean over pairs of units of the absolute correlation", "pairs", lambda m: mean(np.abs(m.pairs.correlations))
    ),
    "sparsity": _of("fraction of values that are exactly zero", "units", lambda m: m.units.sparsity),
    "dead_units": _of("fraction of units that are zero for every sample", "units", lambda m: m.units.dead_units),
    "stable_rank": _of(
        "of the covariance, ||C||_F^2 / ||C||_2^2", "covariance", lambda m: spectrum.stable_rank_of(m.eigenvalues)
    ),
    "signed_covariance": _of("mean over pairs of the covariance", "pairs", lambda m: mean(m.pairs.covariances)),
    "signed_correlation": _of("mean over pairs of the correlation", "pairs", lambda m: mean(m.pairs.correlations)),
    "mean": _of("mean of all values", "units", lambda m: mean(m.units.mean)),
    "variance": _of("mean over units of the variance", "units", lambda m: mean(m.units.variance)),
    "numerical_rank": _of(
        "eigenvalues of the covariance above 1e-8 of the largest",
        "covariance",
        lambda m: spectrum.numerical_rank(m.eigenvalues),
    ),
    "effective_rank": _of(
        "exponential of the entropy of the covariance's eigenvalues",
        "covariance",
        lambda m: spectrum.effective_rank(m.eigenvalues),
    ),
    "participation_ratio": _of(
        "(sum of the eigenvalues)^2 / sum of their squares",
        "covariance",
        lambda m: spectrum.participation_ratio(m.eigenvalues),
    ),
    "rankme": _of(
        "exponential of the entropy of the singular values of Z",
        "covariance",
        lambda m: spectrum.effective_rank(m.singular_values),
    ),
    "spectrum": _of("eigenvalues of the covariance, the largest first", "covariance", lambda m: m.eigenvalues),
    "within_class_variance": _of(
        "mean over units of the variance about the class means", "classes", lambda m: m.class_variances[0]
    ),
    "between_class_variance": _of(
        "mean over units of the variance of the class means", "classes", lambda m: m.class_variances[1]
    ),
    "nc1": _of(
        "trace(S_W S_B^+) / K: variability within classes against between", "classes covariance",
        lambda m: m.classes.nc1(m.covariance),
    ),
}  # fmt: skip
"""What can be measured, by name, each with its meaning in a line and what has to be accumulated for it."""

NAMES = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")
"""The names of Table 1's statistical part, which are measured by default."""

# What is added where there are labels.
CLASS_NAMES = ("within_class_variance", "between_class_variance")


def needs_labels(name: str) -> bool:
    """Whether the characteristic is one of classes."""
    return "classes" in CHARACTERISTICS[name].needs


def select(names: object, labelled: bool) -> tuple[str, ...]:
    """The characteristics meant by None (Table 1's, and with labels the class variances), "all", a name or names.

    Raises:
        TypeError: if `names` is none of these.
        ValueError: if there is no such characteristic, or it needs labels and there are none.
    """
    if names is None:
        return NAMES + (CLASS_NAMES if labelled else ())
    if isinstance(names, str):
        if names == "all":
            return tuple(name for name in CHARACTERISTICS if labelled or not needs_labels(name))
        names = (names,)
    if not isinstance(names, Iterable) or (isinstance(names, np.ndarray) and not names.ndim):
        raise TypeError(f"Expected `characteristics` to be None, 'all', a name or names. Received: {names!r}")
    listed = list(names)
    unknown = [name for name in listed if not isinstance(name, str) or name not in CHARACTERISTICS]
    chosen = () if unknown else tuple(dict.fromkeys(listed))
    if unknown or not chosen:
        raise ValueError(
            f"Expected `characteristics` among {', '.join(CHARACTERISTICS)}, or 'all'. "
            f"Received: {', '.join(map(repr, unknown)) or 'none'}"
        )
    if not labelled and any(map(needs_labels, chosen)):
        raise ValueError(
            "Expected `labels`, or data with targets, for characteristics of classes. "
            f"Received: characteristics={list(chosen)} without labels"
        )
    return chosen
