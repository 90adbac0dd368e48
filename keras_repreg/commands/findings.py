"""Findings about a layer: what stands out, with numbers and a severity."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_repreg.characteristics import Characteristics
from keras_repreg.information import MutualInformation

# Thresholds for reporting a finding. They are not verdicts: see sections 3 and 4 of the paper.
SPARSE = 0.9
FEW_DIRECTIONS = 0.1
CORRELATED = 0.95
COLLAPSED = 0.01
VARIANCE = 0.95
# The fraction of dead units, or of highly correlated pairs, from which a finding is major.
MAJOR_SHARE = 0.25
# The maximum number of units listed individually.
LISTED = 20

LEVELS = ("measurement", "minor", "major", "broken")
"""The levels of findings by the integer part of their severity, which concern the measurement or the layer."""


@dataclass(frozen=True)
class Finding:
    """A finding about a layer.

    Attributes:
        severity: The index of its level among `LEVELS`, plus its extent in [0, 1).
        title: The finding without numbers, under which several layers are listed.
        text: A sentence about this layer.
        brief: The most important number.
        advice: A sentence that applies to every layer with this finding.
    """

    severity: float
    title: str
    text: str
    brief: str = ""
    advice: str = ""

    @property
    def level(self) -> str:
        """One of `LEVELS`."""
        return LEVELS[int(self.severity)]


def findings(
    values: dict[str, Any], accumulator: Characteristics, information: MutualInformation | None
) -> list[Finding]:
    """Return the findings about a layer, the most severe first.

    Args:
        values: All characteristics of the layer.
        accumulator: The accumulator of the characteristics.
        information: The mutual information between the layer's output and its input, or None.
    """
    units = accumulator.width
    alive = units - round(values["dead_units"] * units)
    found = [*_dead(accumulator.dead.tolist(), units), *_rank(values, units, alive), *_correlated(accumulator, alive)]
    if values["sparsity"] > SPARSE:
        zeros = _percent(values["sparsity"])
        text = f"Sparse: {zeros} of all activations are exactly zero."
        found.append(Finding(_severity("minor", values["sparsity"]), "Sparse", text, f"{zeros} zeros"))
    if 0 < values.get("nc1", 0) < COLLAPSED:
        text = (
            f"Classes have collapsed onto their means: NC1 is {values['nc1']:.2g}, within-class variance is "
            f"{values['within_class_variance']:.3g} and between-class variance {values['between_class_variance']:.3g}."
        )
        title = "Classes have collapsed onto their means"
        found.append(Finding(_severity("minor", 0.5), title, text, f"NC1 {values['nc1']:.2g}"))
    if information is not None and information.zx_saturated:
        cap = f"log N = {information.sample_entropy:.3f} {information.unit}, N = {information.n_samples:,} samples"
        found.append(
            Finding(
                _severity("measurement", 0),
                f"I(z;x) is at its cap ({cap})",
                f"I(z;x) is at its cap: {information.zx:.3f} of at most {cap}.",
                advice="Nearly all samples are distinguishable at this noise variance, so the value reflects the "
                "number of samples rather than what the layer keeps. Use a larger noise variance or more samples.",
            )
        )
    return sorted(found, key=lambda finding: -finding.severity)


def _severity(level: str, extent: float) -> float:
    return LEVELS.index(level) + min(max(extent, 0.0), 0.999)


def _dead(dead: list[int], units: int) -> list[Finding]:
    if not dead:
        return []
    share = len(dead) / units
    level = "broken" if share == 1 else "major" if share >= MAJOR_SHARE else "minor"
    subject = f"{len(dead):,} of {units:,} units are" if units > 1 else "The only unit is"
    text = f"{subject} dead ({_percent(share)}), zero for every sample: {_listed(dead)}."
    title = "All units are dead" if share == 1 else "Dead units"
    return [Finding(_severity(level, share), title, text, f"{len(dead):,} of {units:,}")]


def _listed(units: list[int]) -> str:
    """Return the indices of units, shortened if there are many."""
    some = ", ".join(map(str, units[:LISTED]))
    return some if len(units) <= LISTED else f"{some} and {len(units) - LISTED:,} more"


def _rank(values: dict[str, Any], units: int, alive: int) -> list[Finding]:
    spectrum = values["spectrum"]
    total = float(spectrum.sum())
    if not total:
        title = "Nothing varies"
        return [Finding(_severity("broken", 1), title, f"{title}: every sample has the same representation.")]
    effective = values["effective_rank"]
    if units < 2 or effective > max(FEW_DIRECTIONS * units, 1.0) + 1e-9:
        return []
    needed = int(np.searchsorted(np.cumsum(spectrum), VARIANCE * total)) + 1
    directions = "1 direction carries" if needed == 1 else f"{needed} directions carry"
    text = (
        f"Rank has collapsed: {directions} {_percent(VARIANCE)} of the variance of {units:,} units, {alive:,} of "
        f"which are alive. Effective rank is {effective:.2f}, stable rank {values['stable_rank']:.2f}, numerical rank "
        f"{values['numerical_rank']:.0f}."
    )
    brief = f"effective rank {effective:.2f} of {units:,}"
    return [Finding(_severity("major", 1 - effective / units), "Rank has collapsed", text, brief)]


def _correlated(accumulator: Characteristics, alive: int) -> list[Finding]:
    if alive < 2:
        return []
    upper = np.triu(np.abs(np.nan_to_num(correlation_of(accumulator))), 1)
    pairs = int(np.count_nonzero(upper > CORRELATED))
    if not pairs:
        return []
    i, j = np.unravel_index(int(upper.argmax()), upper.shape)
    some = "1 pair of units has" if pairs == 1 else f"{pairs:,} pairs of units have"
    share = pairs / (alive * (alive - 1) / 2)
    text = (
        f"{some} an absolute correlation above {CORRELATED} ({_percent(share)} of the pairs of alive units), "
        f"including zeros; highest: units {i} and {j}, at {upper[i, j]:.3f}."
    )
    severity = _severity("major" if share >= MAJOR_SHARE else "minor", share)
    return [Finding(severity, "Highly correlated units", text, f"{_percent(share)} of the pairs")]


def correlation_of(accumulator: Characteristics) -> Any:
    """Return the correlation matrix over all values, with NaN for constant units."""
    covariance = accumulator.moments.covariance
    variance = np.diag(covariance)
    deviation = np.sqrt(np.where(variance > 1e-12 * max(variance.max(initial=0), 1e-300), variance, np.nan))
    return np.clip(covariance / np.outer(deviation, deviation), -1, 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.01 else f"{100 * share:.2g}%"
