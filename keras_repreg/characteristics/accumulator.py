"""The statistical characteristics of Table 1, accumulated over batches."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.moments import Moments, PositiveMoments

Array = NDArray[np.float64]

NAMES = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")

# A variance below this share of the second moment is rounding noise of float32 activations: such a unit is
# constant, and has no correlation with any other.
CONSTANT = 1e-12


class Characteristics:
    """Accumulates batches of activations (N, M); `result()` gives the six numbers of Table 1.

    Args:
        positive_only: Take amplitude, covariance and correlation over positive activations only, as the paper
            does for ReLU layers; covariance and correlation of a pair then over the samples where both are
            positive.
    """

    def __init__(self, positive_only: bool = True):
        self.positive_only = positive_only
        self._moments = Moments()
        self._positive = PositiveMoments()
        self._by_class: dict[Any, Moments] = {}
        self._magnitude = 0.0
        self._measured = 0
        self._zeros = 0
        self._alive: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._not_finite = 0
        self._waiting: list[tuple[Array, NDArray[Any] | None]] = []

    @property
    def moments(self) -> Moments:
        """Mean and covariance of all values so far."""
        self._flush()
        return self._moments

    @property
    def finite(self) -> bool:
        """Whether no value so far was NaN or infinite; otherwise all characteristics are NaN."""
        return not self._not_finite

    def update(self, z: Array, labels: NDArray[Any] | None = None) -> None:
        """Add a batch of shape (N, M), with the class of each sample where class-wise variances are wanted.

        Raises:
            ValueError: if the number of units differs from earlier batches.
        """
        z = np.asarray(z, dtype=np.float64)
        if self._alive.size and z.shape[1] != self._alive.size:
            raise ValueError(f"Expected batches of {self._alive.size} units. Received: shape {z.shape}")
        if not self._alive.size:
            self._alive = np.zeros(z.shape[1], dtype=bool)
        self._not_finite += int(z.size - np.isfinite(z).sum())
        if self._not_finite:
            self._waiting.clear()
            return
        # A product of M x M costs the same for a few samples as for M of them: they wait until there are that many.
        self._waiting.append((z, labels))
        if sum(len(batch) for batch, _ in self._waiting) >= z.shape[1]:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        z = np.concatenate([batch for batch, _ in self._waiting])
        given = [labels for _, labels in self._waiting if labels is not None]
        labels = np.concatenate(given) if given else None
        self._waiting.clear()
        self._moments.update(z)
        chosen = z[z > 0] if self.positive_only else z
        self._magnitude += float(np.abs(chosen).sum())
        self._measured += chosen.size
        self._zeros += int(z.size - np.count_nonzero(z))
        self._alive |= (z != 0).any(axis=0)
        if self.positive_only:
            self._positive.update(z)
        if labels is not None:
            for label in np.unique(labels):
                self._by_class.setdefault(label, Moments()).update(z[labels == label])

    def merge(self, other: "Characteristics") -> None:
        """Add what another accumulator, of another worker say, has seen."""
        if other.positive_only != self.positive_only:
            raise ValueError(
                f"Expected an accumulator with positive_only={self.positive_only}. "
                f"Received: positive_only={other.positive_only}"
            )
        self._flush()
        other._flush()
        self._not_finite += other._not_finite
        self._moments.merge(other._moments)
        self._positive.merge(other._positive)
        for label, moments in other._by_class.items():
            self._by_class.setdefault(label, Moments()).merge(moments)
        self._magnitude += other._magnitude
        self._measured += other._measured
        self._zeros += other._zeros
        self._alive = self._alive | other._alive if self._alive.size else other._alive.copy()

    def result(self) -> dict[str, float]:
        """The characteristics so far, keyed by `NAMES`; what is not defined (no sample, no pair) is 0."""
        if not self.finite:
            return dict.fromkeys(NAMES, float("nan"))
        self._flush()
        units = self._alive.size
        covariance, correlation = self._covariance_and_correlation()
        result = {
            "amplitude": self._magnitude / max(self._measured, 1),
            "covariance": covariance,
            "correlation": correlation,
            "sparsity": self._zeros / max(self._moments.count * units, 1),
            "dead_units": 1.0 - float(self._alive.mean()) if units else 0.0,
            "stable_rank": stable_rank(self._moments.covariance),
        }
        if self._by_class:
            result |= self._class_variances()
        return result

    def _covariance_and_correlation(self) -> tuple[float, float]:
        """Means over pairs i != j of the absolute covariance and correlation."""
        if self.positive_only:
            counts, covariance, variance_i, variance_j = self._positive.pairs()
        else:
            covariance = self._moments.covariance
            counts = np.full_like(covariance, self._moments.count)
            diagonal = np.maximum(np.diag(covariance), 0)
            variance_i, variance_j = np.meshgrid(diagonal, diagonal, indexing="ij")
        # Two samples define a covariance; fewer define nothing, and a pair without is left out of the mean.
        defined = (counts >= 2) & ~np.eye(len(counts), dtype=bool)
        scale = np.square(self._moments.mean) + np.diag(self._moments.covariance)
        varies = (variance_i > CONSTANT * scale[:, None]) & (variance_j > CONSTANT * scale[None, :])
        correlated = defined & varies
        rho = covariance[correlated] / np.sqrt(variance_i[correlated] * variance_j[correlated])
        return (
            float(np.abs(covariance[defined]).mean()) if defined.any() else 0.0,
            float(np.minimum(np.abs(rho), 1).mean()) if rho.size else 0.0,
        )

    def _class_variances(self) -> dict[str, float]:
        """Mean over units of the variance within and between classes; they sum to the mean variance."""
        n = self._moments.count
        within = sum(m.count * np.diag(m.covariance) for m in self._by_class.values()) / n
        between = sum(m.count * (m.mean - self._moments.mean) ** 2 for m in self._by_class.values()) / n
        return {"within_class_variance": float(np.mean(within)), "between_class_variance": float(np.mean(between))}


def stable_rank(covariance: Array) -> float:
    """||C||_F^2 / ||C||_2^2, the rank of Table 1; 0 for a zero matrix."""
    largest = float(np.abs(covariance).max(initial=0))
    if largest == 0:
        return 0.0
    # Scaled first, so that no square leaves the range of float64.
    eigenvalues = np.linalg.eigvalsh(covariance / largest)
    return float(np.sum(eigenvalues**2) / np.max(np.abs(eigenvalues)) ** 2)
