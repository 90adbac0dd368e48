"""Compare contenders with the best one, by paired differences of their scores with the same seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import one_of

DIRECTIONS = ("max", "min")
BEST = "best"
TOLD_APART = "worse"
NOT_TOLD_APART = "not told apart"


@dataclass(frozen=True)
class Comparison:
    """One contender relative to the best.

    Attributes:
        difference: The mean over seeds of its score minus that of the best; 0 for the best itself.
        low: The lower end of the interval of the difference; NaN with fewer than two seeds.
        high: The upper end of the interval.
        verdict: "best", if all others are worse; "worse", if the interval excludes 0; or "not told apart".
    """

    difference: float
    low: float
    high: float
    verdict: str


def compare(
    scores: Sequence[Sequence[float]],
    *,
    direction: str = "max",
    confidence: float = 0.95,
    contenders: int | None = None,
) -> list[Comparison]:
    """Compare contenders with the one with the best mean score, by paired differences.

    The intervals are Student's t intervals of the mean difference, at confidence 1 - (1 - confidence) / (K - 1) for K
    contenders (Bonferroni). With a probability of at least `confidence`, the true best contender is the best or "not
    told apart" from it, even though the best is selected by the same scores. If all contenders are equal, one is
    declared the best with a probability of at most 1 - `confidence`. Both statements need nearly normal differences, or
    many seeds. If all differences are equal, as may happen for accuracies on few samples, there is no spread to
    estimate: the verdict is then based on a sign test.

    Args:
        scores: One sequence per contender; the k-th scores of all contenders belong to the same seed.
        direction: "max" if large scores are good, "min" if small scores are, such as errors.
        confidence: The joint confidence of all statements, in (0, 1).
        contenders: K, if more contenders were tried than `scores` contains, for example if worse ones were omitted.

    Returns:
        One `Comparison` per contender, in the order of `scores`.

    Raises:
        ValueError: if contenders have different numbers of scores, a score is not finite, there are no scores, or an
            argument is out of range.

    Examples:
        >>> from keras_repreg import tuning
        >>> errors = [[5.0, 6.1, 5.5, 6.4], [4.0, 5.0, 4.6, 5.4], [4.1, 5.2, 4.5, 5.5]]
        >>> [each.verdict for each in tuning.compare(errors, direction="min")]
        ['worse', 'not told apart', 'not told apart']
        >>> [each.verdict for each in tuning.compare(errors[:2], direction="min")]
        ['worse', 'best']
    """
    one_of(direction, DIRECTIONS, "direction")
    if not isinstance(confidence, (int, float)) or not 0 < confidence < 1:
        raise ValueError(f"Expected `confidence` in (0, 1). Received: confidence={confidence!r}")
    rows = [np.asarray(row, dtype="float64") for row in scores]
    if not rows or any(row.ndim != 1 or row.shape != rows[0].shape or not row.size for row in rows):
        raise ValueError(
            "Expected the same number of scores for each contender, one per seed. Received: shapes "
            f"{[row.shape for row in rows]}"
        )
    if not all(np.isfinite(row).all() for row in rows):
        raise ValueError("Expected finite scores; omit contenders that failed. Received: NaN or infinity")
    number = len(rows) if contenders is None else contenders
    if number < len(rows):
        raise ValueError(f"Expected `contenders` to be at least {len(rows)}. Received: contenders={contenders!r}")
    sign = 1.0 if direction == "max" else -1.0
    best = int(np.argmax([sign * row.mean() for row in rows]))
    error = (1 - confidence) / max(number - 1, 1)
    quantile = _quantile(error, len(rows[0]))
    found = [_compared(row - rows[best], error, quantile, sign) for row in rows]
    others = [each.verdict for i, each in enumerate(found) if i != best]
    alone = bool(others) and number == len(rows) and all(verdict == TOLD_APART for verdict in others)
    found[best] = Comparison(0.0, 0.0, 0.0, BEST if alone else NOT_TOLD_APART)
    return found


def _quantile(error: float, number: int) -> float:
    """Return the quantile of Student's t for an interval with this error probability; NaN for a single score."""
    from scipy.stats import t

    return float(t.isf(error / 2, number - 1)) if number > 1 else math.nan


def _compared(differences: NDArray[np.float64], error: float, quantile: float, sign: float) -> Comparison:
    number = len(differences)
    mean = float(differences.mean())
    if number < 2:
        return Comparison(mean, math.nan, math.nan, NOT_TOLD_APART)
    half = quantile * float(differences.std(ddof=1)) / math.sqrt(number)
    low, high = mean - half, mean + half
    worse = high < 0 if sign > 0 else low > 0
    if np.ptp(differences) <= 1e-12 * np.abs(differences).max():
        worse = worse and 2.0 ** (1 - number) <= error
    return Comparison(mean, low, high, TOLD_APART if worse else NOT_TOLD_APART)
