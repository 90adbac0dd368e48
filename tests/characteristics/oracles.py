"""Oracles of the characteristics by their definitions, float64 loops with arguments `(z, labels, positive_only)`."""

import itertools

import numpy as np

from tests import reference


def _table_1(name):
    return lambda z, labels, positive_only: reference.characteristics(z, positive_only)[name]


def _other(name):
    return lambda z, labels, positive_only: reference.more_characteristics(z, positive_only, labels)[name]


def _within(value):
    """Return the mean of a characteristic over the classes that are present."""
    return lambda z, labels, positive_only: float(
        np.mean([value(part, positive_only) for part in reference.by_class(z, labels)])
    )


def _norm(vector):
    return sum(value**2 for value in vector) ** 0.5


def _centre(z, labels):
    """Return the class means minus the mean of all samples."""
    return [part.mean(axis=0) - z.mean(axis=0) for part in reference.by_class(z, labels)]


def _cosines(z, labels):
    return [a @ b / (_norm(a) * _norm(b)) for a, b in itertools.combinations(_centre(z, labels), 2)]


def dormant_units(z, labels, positive_only):
    magnitude = [np.mean([abs(value) for value in z[:, i]]) for i in range(z.shape[1])]
    return np.mean([m / np.mean(magnitude) <= 0.025 for m in magnitude])


def unbiased_participation_ratio(z, labels, positive_only):
    """Return U-statistics over all tuples of four distinct samples, independently of the package's formula."""
    n = len(z)
    first = second = number = 0.0
    for a, b, c, d in itertools.permutations(range(n), 4):
        # (z_a - z_b) / sqrt(2) and (z_c - z_d) / sqrt(2) are independent with mean zero and covariance C.
        x, y = z[a] - z[b], z[c] - z[d]
        first += (x @ x) * (y @ y) / 4
        second += (x @ y) ** 2 / 4
        number += 1
    return min(max((first / number) / (second / number), 1), z.shape[1])


def cdnv(z, labels, positive_only):
    parts = reference.by_class(z, labels)
    means = [part.mean(axis=0) for part in parts]
    spread = [np.mean([_norm(row - mean) ** 2 for row in part]) for part, mean in zip(parts, means, strict=True)]
    pairs = itertools.permutations(range(len(parts)), 2)
    return np.mean([(spread[i] + spread[j]) / (2 * _norm(means[i] - means[j]) ** 2) for i, j in pairs])


def unweighted_nc1(z, labels, positive_only):
    parts = reference.by_class(z, labels)
    means = [part.mean(axis=0) for part in parts]
    centre = sum(means) / len(parts)
    within = sum(reference.covariance(part) for part in parts) / len(parts)
    between = sum(np.outer(mean - centre, mean - centre) for mean in means) / len(parts)
    return np.trace(within @ np.linalg.pinv(between, rcond=1e-8)) / len(parts)


def lidar(z, labels, positive_only):
    n, m = z.shape
    within, between = np.zeros((m, m)), np.zeros((m, m))
    for part, mean in zip(reference.by_class(z, labels), _centre(z, labels), strict=True):
        within += len(part) / n * reference.covariance(part)
        between += len(part) / n * np.outer(mean, mean)
    within += 1e-4 * np.trace(within) / m * np.eye(m)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ between @ root)
    return reference.entropy_rank([value for value in spectrum if value > 1e-12 * spectrum[-1]])


def _effective_rank(z, positive_only):
    return reference.more_characteristics(z, positive_only, np.zeros(len(z)))["effective_rank"]


ORACLES = {
    **{name: _table_1(name) for name in ("amplitude", "covariance", "correlation", "sparsity")},
    **{name: _table_1(name) for name in ("dead_units", "stable_rank")},
    **{name: _other(name) for name in ("signed_covariance", "signed_correlation", "mean", "variance")},
    **{name: _other(name) for name in ("numerical_rank", "effective_rank", "participation_ratio", "rankme")},
    **{name: _other(name) for name in ("spectrum", "within_class_variance", "between_class_variance", "nc1")},
    "dormant_units": dormant_units,
    "unbiased_participation_ratio": unbiased_participation_ratio,
    "cdnv": cdnv,
    "unweighted_nc1": unweighted_nc1,
    "nc2_norms": lambda z, labels, _: (
        np.std([_norm(mean) for mean in _centre(z, labels)]) / np.mean([_norm(mean) for mean in _centre(z, labels)])
    ),
    "nc2_angles": lambda z, labels, _: np.std(_cosines(z, labels)),
    "nc2_simplex": lambda z, labels, _: np.mean(
        [abs(cosine + 1 / (len(set(labels.tolist())) - 1)) for cosine in _cosines(z, labels)]
    ),
    "lidar": lidar,
    "classwise_covariance": _within(lambda z, positive_only: reference.characteristics(z, positive_only)["covariance"]),
    "classwise_correlation": _within(
        lambda z, positive_only: reference.characteristics(z, positive_only)["correlation"]
    ),
    "classwise_stable_rank": _within(
        lambda z, positive_only: reference.characteristics(z, positive_only)["stable_rank"]
    ),
    "classwise_effective_rank": _within(_effective_rank),
}
