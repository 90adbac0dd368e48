"""The table of characteristics: their definitions, required accumulators and invariances."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from keras_repreg.characteristics import spectrum
from keras_repreg.characteristics.classes import ClassMoments
from keras_repreg.characteristics.covariances import SecondOrder
from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.pairs import mean
from keras_repreg.characteristics.units import UnitMoments


@dataclass(frozen=True)
class Measured:
    """The accumulated statistics of all samples and of the samples of each class."""

    units: UnitMoments
    classes: ClassMoments
    all: SecondOrder
    within: Sequence[SecondOrder]

    @cached_property
    def class_variances(self) -> tuple[float, float]:
        return self.classes.variances()

    def mean_within(self, value: Callable[[SecondOrder], float]) -> float:
        """Return the mean over the classes present."""
        return mean(np.array([value(one) for one in self.within]))


Bound = float | Literal["units", "classes"]

# The transforms z -> Q z and z -> z - m of an identical output network (Theorems 1 and 2), by the kind of Q.
TRANSFORMS = ("permute", "scale", "rescale", "rotate", "linear", "shift")
"""A permutation; a positive multiple of the identity; a positive diagonal; orthogonal; nonsingular; and m."""


@dataclass(frozen=True)
class Characteristic:
    """One characteristic: its meaning in one line, the accumulators that it needs, its value and its properties.

    `needs` contains some of "units", "unit moments", "pairs", "norms", "covariance" and "classes", and for the samples
    of each class "class pairs", "class norms" and "class covariance". Norms of the covariance need less precision than
    its small eigenvalues. If all needs are in `LINEAR`, no units x units matrix is formed. `bounds` holds for any
    activations, where "units" and "classes" stand for their numbers. `unchanged_by` lists the `TRANSFORMS` that leave
    the value unchanged if all values count; "permute", "scale" and "rescale" also do if only positive values count.
    `chance` is what is made independent for the value at chance, if any.
    """

    meaning: str
    needs: frozenset[str]
    value: Callable[[Measured], float | Array]
    bounds: tuple[Bound, Bound]
    unchanged_by: frozenset[str]
    chance: Literal["units", "labels"] | None = None


def _of(
    meaning: str,
    needs: str,
    value: Callable[[Measured], float | Array],
    bounds: tuple[Bound, Bound],
    unchanged_by: str,
    chance: Literal["units", "labels"] | None = None,
) -> Characteristic:
    return Characteristic(meaning, frozenset(needs.split(", ")), value, bounds, frozenset(unchanged_by.split()), chance)


def _stable_rank(one: SecondOrder) -> float:
    return spectrum.stable_rank_of(one.core)


INFINITE = float("inf")
ROUND = "permute scale rotate shift"

CHARACTERISTICS: dict[str, Characteristic] = {
    "amplitude": _of(
        "mean absolute value; for ReLU, of the positive values", "units",
        lambda m: m.units.amplitude, (0, INFINITE), "permute",
    ),
    "covariance": _of(
        "mean over pairs of units of the absolute covariance", "pairs",
        lambda m: m.all.pairs.covariance, (0, INFINITE), "permute shift", "units",
    ),
    "correlation": _of(
        "mean over pairs of units of the absolute correlation", "pairs",
        lambda m: m.all.pairs.correlation, (0, 1), "permute scale rescale shift", "units",
    ),
    "sparsity": _of(
        "fraction of values that are exactly zero", "units",
        lambda m: m.units.sparsity, (0, 1), "permute scale rescale",
    ),
    "dead_units": _of(
        "fraction of units that are zero for every sample", "units",
        lambda m: m.units.dead_units, (0, 1), "permute scale rescale",
    ),
    "stable_rank": _of(
        "of the covariance, ||C||_F^2 / ||C||_2^2", "norms",
        lambda m: _stable_rank(m.all), (0, "units"), ROUND, "units",
    ),
    "signed_covariance": _of(
        "mean over pairs of the covariance", "pairs",
        lambda m: m.all.pairs.signed_covariance, (-INFINITE, INFINITE), "permute shift", "units",
    ),
    "signed_correlation": _of(
        "mean over pairs of the correlation", "pairs",
        lambda m: m.all.pairs.signed_correlation, (-1, 1), "permute scale rescale shift", "units",
    ),
    "mean": _of("mean of all values", "unit moments", lambda m: mean(m.units.mean), (-INFINITE, INFINITE), "permute"),
    "variance": _of(
        "mean over units of the variance", "unit moments",
        lambda m: mean(m.units.variance), (0, INFINITE), "permute rotate shift",
    ),
    "dormant_units": _of(
        "fraction of units with at most 0.025 of the layer's mean absolute value", "units",
        lambda m: m.units.dormant_units, (0, 1), "permute scale",
    ),
    "numerical_rank": _of(
        "number of eigenvalues of the covariance above 1e-8 times the largest", "covariance",
        lambda m: spectrum.numerical_rank(m.all.eigenvalues), (0, "units"), "rescale linear " + ROUND, "units",
    ),
    "effective_rank": _of(
        "exponential of the entropy of the covariance's eigenvalues", "covariance",
        lambda m: spectrum.effective_rank(m.all.eigenvalues), (0, "units"), ROUND, "units",
    ),
    "participation_ratio": _of(
        "(sum of the eigenvalues)^2 / sum of their squares", "norms",
        lambda m: spectrum.participation_ratio_of(m.all.core), (0, "units"), ROUND, "units",
    ),
    "unbiased_participation_ratio": _of(
        "participation ratio from unbiased estimates, for at least 4 samples", "covariance",
        lambda m: m.all.unbiased_participation_ratio, (0, "units"), ROUND, "units",
    ),
    "rankme": _of(
        "exponential of the entropy of the singular values of Z", "covariance",
        lambda m: spectrum.effective_rank(m.all.singular_values), (0, "units"), "permute scale rotate", "units",
    ),
    "spectrum": _of(
        "eigenvalues of the covariance, the largest first", "covariance",
        lambda m: m.all.eigenvalues, (0, INFINITE), "permute rotate shift",
    ),
    "within_class_variance": _of(
        "mean over units of the variance about the class means", "classes",
        lambda m: m.class_variances[0], (0, INFINITE), "permute rotate shift", "labels",
    ),
    "between_class_variance": _of(
        "mean over units of the variance of the class means", "classes",
        lambda m: m.class_variances[1], (0, INFINITE), "permute rotate shift", "labels",
    ),
    "cdnv": _of(
        "mean over pairs of classes of variance within / squared distance between", "classes",
        lambda m: m.classes.cdnv(), (0, INFINITE), ROUND, "labels",
    ),
    "nc1": _of(
        "trace(S_W S_B^+) / K: variability within relative to between classes", "classes, covariance",
        lambda m: m.classes.nc1(m.all.along), (0, INFINITE), ROUND, "labels",
    ),
    "unweighted_nc1": _of(
        "nc1 with equal weights for all classes", "classes, class covariance",
        lambda m: m.classes.unweighted_nc1([one.along for one in m.within]), (0, INFINITE), ROUND, "labels",
    ),
    "nc2_norms": _of(
        "coefficient of variation of the norms of the centred class means", "classes",
        lambda m: m.classes.norm_variation(), (0, INFINITE), ROUND, "labels",
    ),
    "nc2_angles": _of(
        "standard deviation of the cosines between the centred class means", "classes",
        lambda m: m.classes.angle_variation(), (0, 1), ROUND, "labels",
    ),
    "nc2_simplex": _of(
        "mean distance of these cosines to -1 / (K - 1)", "classes",
        lambda m: m.classes.angle_distance(), (0, 2), ROUND, "labels",
    ),
    "lidar": _of(
        "exponential of the entropy of the eigenvalues of S_W^(-1/2) S_B S_W^(-1/2)", "classes, covariance",
        lambda m: m.classes.lidar(m.all.covariance), (0, "classes"), ROUND, "labels",
    ),
    "classwise_covariance": _of(
        "covariance within each class, averaged over the classes", "classes, class pairs",
        lambda m: m.mean_within(lambda one: one.pairs.covariance), (0, INFINITE), "permute shift", "labels",
    ),
    "classwise_correlation": _of(
        "correlation within each class, averaged over the classes", "classes, class pairs",
        lambda m: m.mean_within(lambda one: one.pairs.correlation), (0, 1), "permute scale rescale shift", "labels",
    ),
    "classwise_stable_rank": _of(
        "stable rank within each class, averaged over the classes", "classes, class norms",
        lambda m: m.mean_within(_stable_rank), (0, "units"), ROUND, "labels",
    ),
    "classwise_effective_rank": _of(
        "effective rank within each class, averaged over the classes", "classes, class covariance",
        lambda m: m.mean_within(lambda one: spectrum.effective_rank(one.eigenvalues)), (0, "units"), ROUND, "labels",
    ),
}  # fmt: skip
"""All characteristics, by name."""

NAMES = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")
"""The statistical characteristics of Table 1, which are measured by default."""

# Also measured by default if there are labels.
CLASS_NAMES = ("within_class_variance", "between_class_variance")

# Characteristics that need only these take memory linear in the number of units.
LINEAR = frozenset({"units", "unit moments", "classes"})
CHEAP = tuple(name for name, one in CHARACTERISTICS.items() if one.needs <= LINEAR)

AT_CHANCE = "_at_chance"


def needs_labels(name: str) -> bool:
    """Return whether this is a class characteristic."""
    return "classes" in CHARACTERISTICS[name].needs


def needs_of(names: Iterable[str]) -> frozenset[str]:
    """Return the accumulators that these characteristics need."""
    return frozenset().union(*(CHARACTERISTICS[name].needs for name in names))


def with_chance(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, each followed by the name of its value at chance, if any."""
    return tuple(
        key for name in names for key in ([name, name + AT_CHANCE] if CHARACTERISTICS[name].chance else [name])
    )


def meaning(key: str) -> str:
    """Return a one-line description of a key of a result."""
    name = key.removesuffix(AT_CHANCE)
    if name == key:
        return CHARACTERISTICS[name].meaning
    made = "shuffled labels" if CHARACTERISTICS[name].chance == "labels" else "independent units"
    return f"{name.replace('_', ' ')} of {made} at this number of samples"


def select(names: object, labelled: bool) -> tuple[str, ...]:
    """Return the characteristics selected by None (Table 1, and with labels the class variances), "all" or names.

    Raises:
        TypeError: if `names` is none of these.
        ValueError: if there is no such characteristic, or labels are required and missing.
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
            "Expected `labels`, or data with targets, for class characteristics. Received: "
            f"characteristics={list(chosen)} without labels"
        )
    return chosen
