"""What stands out in a layer, in words with the numbers."""

from typing import Any

import numpy as np

from keras_repreg.characteristics import Characteristics
from keras_repreg.information import MutualInformation

# From here on something is worth a line; none of these is a verdict, see the paper's sections 3 and 4.
SPARSE = 0.9
FEW_DIRECTIONS = 0.1
CORRELATED = 0.95
COLLAPSED = 0.01
VARIANCE = 0.95
# So many units are named one by one.
NAMED = 20


def findings(values: dict[str, Any], accumulator: Characteristics, information: MutualInformation | None) -> list[str]:
    """Sentences, one for each thing that stands out; none if nothing does.

    Args:
        values: All characteristics of the layer.
        accumulator: The accumulator that they are from.
        information: What its activations tell of input and class.
    """
    units = accumulator.width
    alive = units - round(values["dead_units"] * units)
    found = [*_dead(accumulator.dead.tolist(), units), *_rank(values, units, alive), *_correlated(accumulator, alive)]
    if values["sparsity"] > SPARSE:
        found.append(f"Sparse: {_percent(values['sparsity'])} of all activations are exactly zero.")
    if 0 < values.get("nc1", 0) < COLLAPSED:
        found.append(
            f"Classes have collapsed onto their means: NC1 is {values['nc1']:.2g}, within-class variance is "
            f"{values['within_class_variance']:.3g} and between-class variance {values['between_class_variance']:.3g}."
        )
    if information is not None and information.zx_saturated:
        found.append(
            f"I(z;x) is at its cap: it is {information.zx:.3f} {information.unit}, and log N for N = "
            f"{information.n_samples:,} samples is {information.sample_entropy:.3f}. At noise variance "
            f"{information.noise_variance:g} nearly all samples can be told apart, so the value says how many there "
            "were, not what the layer keeps; try a larger noise variance or more samples."
        )
    return found


def _dead(dead: list[int], units: int) -> list[str]:
    if not dead:
        return []
    verb = "unit is" if len(dead) == 1 else "units are"
    return [
        f"{len(dead)} of {units:,} {verb} dead ({_percent(len(dead) / units)}), zero for every sample: {_listed(dead)}."
    ]


def _listed(units: list[int]) -> str:
    """The numbers of units, the first of them where there are many."""
    some = ", ".join(map(str, units[:NAMED]))
    return some if len(units) <= NAMED else f"{some} and {len(units) - NAMED:,} more"


def _rank(values: dict[str, Any], units: int, alive: int) -> list[str]:
    spectrum = values["spectrum"]
    total = float(spectrum.sum())
    if not total:
        return ["Nothing varies: every sample has the same representation."]
    effective = values["effective_rank"]
    if units < 2 or effective > max(FEW_DIRECTIONS * units, 1.0) + 1e-9:
        return []
    needed = int(np.searchsorted(np.cumsum(spectrum), VARIANCE * total)) + 1
    directions = "1 direction carries" if needed == 1 else f"{needed} directions carry"
    return [
        f"Rank has collapsed: {directions} {_percent(VARIANCE)} of the variance of {units:,} units, {alive:,} of "
        f"them alive. Effective rank is {effective:.2f}, stable rank {values['stable_rank']:.2f}, numerical rank "
        f"{values['numerical_rank']:.0f}."
    ]


def _correlated(accumulator: Characteristics, alive: int) -> list[str]:
    if alive < 2:
        return []
    upper = np.triu(np.abs(np.nan_to_num(correlation_of(accumulator))), 1)
    pairs = int(np.count_nonzero(upper > CORRELATED))
    if not pairs:
        return []
    i, j = np.unravel_index(int(upper.argmax()), upper.shape)
    some = "1 pair of units is" if pairs == 1 else f"{pairs:,} pairs of units are"
    share = _percent(pairs / (alive * (alive - 1) / 2))
    return [
        f"{some} correlated above {CORRELATED} in absolute value ({share} of the pairs of alive units), zeros "
        f"included; highest: units {i} and {j}, at {upper[i, j]:.3f}."
    ]


def correlation_of(accumulator: Characteristics) -> Any:
    """The correlation matrix of all values, NaN for units that do not vary."""
    covariance = accumulator.moments.covariance
    variance = np.diag(covariance)
    deviation = np.sqrt(np.where(variance > 1e-12 * max(variance.max(initial=0), 1e-300), variance, np.nan))
    return np.clip(covariance / np.outer(deviation, deviation), -1, 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.01 else f"{100 * share:.2g}%"
