"""Pearson's and Spearman's correlation with bootstrap intervals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

RESAMPLES = 10_000


def pearson(pairs: Any) -> Any:
    """Return Pearson's correlation of pairs, shape (..., n, 2); NaN for fewer than three or if one side is constant.

    Example:
        >>> float(pearson(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])).round(6))
        1.0
    """
    if pairs.shape[-2] < 3:
        return np.full(pairs.shape[:-2], math.nan)[()]
    deviations = pairs - pairs.mean(axis=-2, keepdims=True)
    norms = np.sqrt((deviations**2).sum(axis=-2))
    norms = np.where(np.ptp(pairs, axis=-2) > 0, norms, math.nan).prod(axis=-1)
    return ((deviations[..., 0] * deviations[..., 1]).sum(axis=-1) / norms)[()]


def spearman(pairs: Any) -> Any:
    """Return Spearman's rank correlation of pairs; shapes and NaN as in `pearson`."""
    from scipy.stats import rankdata

    return pearson(rankdata(pairs, axis=-2))


def array(pairs: Any) -> Any:
    """Return pairs as an array of shape (n, 2)."""
    return np.array(pairs, dtype=float).reshape(-1, 2)


def bootstrap(
    pairs: Any, statistic: Callable[[Any], Any], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the 2.5% and 97.5% quantiles of a statistic over resamples of the pairs, ignoring undefined values."""
    if len(pairs) < 3:
        return math.nan, math.nan
    found = statistic(pairs[np.random.default_rng(seed).integers(0, len(pairs), (resamples, len(pairs)))])
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.025, 0.975]) if len(found) else (math.nan, math.nan)
    return float(low), float(high)
