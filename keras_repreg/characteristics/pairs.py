"""Means over pairs of units of what two units have in common."""

import numpy as np

from keras_repreg.characteristics.moments import Array, Moments
from keras_repreg.characteristics.positive import PositiveMoments

# A variance below this share of the second moment is rounding noise of the activations: such a unit is constant, and
# has no correlation with any other. Of float32, 1e-12; of float64, in the same number of its own steps, 3e-30.
CONSTANT = 1e-12
CONSTANT_IN_FLOAT64 = 3e-30


class Pairs:
    """Covariance and correlation of the pairs i != j for which they are defined.

    Two samples define a covariance; a pair without them is left out of the mean, and so is a pair with a constant
    unit out of the mean correlation.

    Args:
        moments: Those of all values.
        positive: Those of positive values, where only these count.
        double: Whether the activations have more digits than float32 holds.
    """

    def __init__(self, moments: Moments, positive: PositiveMoments | None, double: bool):
        if positive is not None:
            counts, covariance, variance_i, variance_j = positive.pairs()
        else:
            covariance = moments.covariance
            counts = np.full_like(covariance, moments.count)
            diagonal = np.maximum(np.diag(covariance), 0)
            variance_i, variance_j = np.meshgrid(diagonal, diagonal, indexing="ij")
        defined = (counts >= 2) & ~np.eye(len(counts), dtype=bool)
        scale = (CONSTANT_IN_FLOAT64 if double else CONSTANT) * (np.square(moments.mean) + np.diag(moments.covariance))
        correlated = defined & (variance_i > scale[:, None]) & (variance_j > scale[None, :])
        rho = covariance[correlated] / np.sqrt(variance_i[correlated] * variance_j[correlated])
        self.covariances: Array = covariance[defined]
        self.correlations: Array = np.clip(rho, -1, 1)


def mean(values: Array) -> float:
    """The mean, and 0 of nothing."""
    return float(values.mean()) if values.size else 0.0
