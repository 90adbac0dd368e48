"""The paper's formulas in float64 NumPy with plain loops, written independently of the package."""

import numpy as np


def covariance(z):
    """c_ij of Table 1, biased."""
    n, m = z.shape
    mean = [sum(z[k, i] for k in range(n)) / n for i in range(m)]
    c = np.zeros((m, m))
    for i in range(m):
        for j in range(m):
            c[i, j] = sum((z[k, i] - mean[i]) * (z[k, j] - mean[j]) for k in range(n)) / n
    return c


def weighted_covariance(z, w):
    """c_ij with w_n / sum of w for 1 / N."""
    n, m = z.shape
    s = [value / sum(w) for value in w]
    mean = [sum(s[k] * z[k, i] for k in range(n)) for i in range(m)]
    c = np.zeros((m, m))
    for i in range(m):
        for j in range(m):
            c[i, j] = sum(s[k] * (z[k, i] - mean[i]) * (z[k, j] - mean[j]) for k in range(n))
    return c


def soft_classwise(omega, z, r):
    """Return the sum of `omega(z, responsibilities)` over the classes that are present."""
    return sum(omega(z, r[:, k]) for k in range(r.shape[1]) if r[:, k].sum() > 0)


def weighted_cr(z, w):
    c = weighted_covariance(z, w)
    return float((c**2).sum() - (np.diag(c) ** 2).sum())


def weighted_vr(z, w):
    return float(np.trace(weighted_covariance(z, w)))


def weighted_stable_rank(z, w):
    return stable_rank(np.sqrt(w)[:, None] * z)


def weighted_holder_rank(z, w):
    return holder_rank(np.sqrt(w)[:, None] * z)


def by_class(z, labels):
    """Return Z^(k) for each class k that is present."""
    return [z[labels == k] for k in sorted(set(labels.tolist()))]


def cr(z):
    c = covariance(z)
    return sum(c[i, j] ** 2 for i in range(len(c)) for j in range(len(c)) if i != j)


def vr(z):
    return float(np.trace(covariance(z)))


def l1r(z):
    return float(sum(abs(value) for value in z.ravel()))


def stable_rank(z):
    """Eq. 7."""
    s = np.linalg.svd(z, compute_uv=False)
    return float((s**2).sum() / s[0] ** 2) if s[0] > 0 else 0.0


def holder_rank(z):
    """Eq. 9."""
    bound = max(np.abs(z).sum(axis=0)) * max(np.abs(z).sum(axis=1))
    return float((z**2).sum() / bound) if bound > 0 else 0.0


def vc(z, pairs=False):
    """Return VCReg with both weights 1; covariances are averaged over pairs, or summed and divided by M."""
    n, m = z.shape
    c = covariance(z) * n / max(n - 1, 1)
    too_small = sum(max(0.0, 1 - np.sqrt(c[i, i] + 1e-4)) for i in range(m)) / m
    energy = sum(c[i, j] ** 2 for i in range(m) for j in range(m) if i != j)
    return float(too_small + energy / (max(m * (m - 1), 1) if pairs else m))


def sig(z, directions):
    """Return the Epps-Pulley statistic, averaged over directions, by the trapezoidal rule on the knots."""
    n = len(z)
    knots = [3 * k / 16 for k in range(-16, 17)]
    total = 0.0
    for direction in directions.T:
        values = []
        for t in knots:
            wave = sum(np.exp(1j * t * (direction @ row)) for row in z) / n
            values.append(abs(wave - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2))
        total += n * sum((values[k] + values[k + 1]) / 2 * (knots[k + 1] - knots[k]) for k in range(32))
    return float(total / directions.shape[1])


def standardized_sig(z, directions):
    """Return `sig` of centred samples divided by one scale for all units; 0 if all samples are equal."""
    centered = z - z.mean(axis=0)
    if np.abs(centered).max() <= 1e-5 * np.abs(z).max():
        return 0.0
    return sig(centered / np.sqrt((centered**2).mean()), directions)


def classwise(omega):
    return lambda z, labels: sum(omega(part) for part in by_class(z, labels))


def finite_difference(function, z, step=1e-6):
    """Return the gradient of a scalar function of an array by central differences."""
    gradient = np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        high, low = z.copy(), z.copy()
        high[index] += step
        low[index] -= step
        gradient[index] = (function(high) - function(low)) / (2 * step)
    return gradient


def pairs(z, positive_only):
    """Return covariances and correlations of the pairs i != j over the paper's samples, where defined."""
    n, m = z.shape
    covariances, correlations = [], []
    for i in range(m):
        for j in range(m):
            if i == j:
                continue
            rows = [k for k in range(n) if not positive_only or (z[k, i] > 0 and z[k, j] > 0)]
            if len(rows) < 2:
                continue
            a, b = z[rows, i], z[rows, j]
            c = np.mean((a - a.mean()) * (b - b.mean()))
            covariances.append(c)
            if a.std() > 1e-6 * np.sqrt(np.mean(z[:, i] ** 2)) and b.std() > 1e-6 * np.sqrt(np.mean(z[:, j] ** 2)):
                correlations.append(c / (a.std() * b.std()))
    return covariances, correlations


def mean(values):
    return float(np.mean(values)) if len(values) else 0.0


def characteristics(z, positive_only):
    """Return Table 1 pair by pair (caption and section 2); means of absolute values over defined pairs."""
    n, m = z.shape
    amplitudes = [abs(v) for v in z.ravel() if v > 0 or not positive_only]
    covariances, correlations = pairs(z, positive_only)
    s = np.linalg.svd(covariance(z), compute_uv=False)
    return {
        "amplitude": mean(amplitudes),
        "covariance": mean(np.abs(covariances)),
        "correlation": mean(np.abs(correlations)),
        "sparsity": sum(v == 0 for v in z.ravel()) / (n * m),
        "dead_units": sum(all(z[k, i] == 0 for k in range(n)) for i in range(m)) / m,
        "stable_rank": float((s**2).sum() / s[0] ** 2) if s[0] > 0 else 0.0,
    }


def entropy_rank(values):
    """Return exp of the entropy of values divided by their sum (Roy and Vetterli 2007; Garrido et al. 2023)."""
    p = [v / sum(values) for v in values if v > 0]
    return float(np.exp(-sum(v * np.log(v) for v in p))) if p else 0.0


def more_characteristics(z, positive_only, labels):
    """Return the characteristics beyond Table 1, from singular values of the centred and uncentred activations."""
    n, m = z.shape
    covariances, correlations = pairs(z, positive_only)
    spectrum = np.zeros(m)
    s = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    spectrum[: len(s)] = np.where(s > 1e-9 * np.abs(z).max() * np.sqrt(n * m), s**2 / n, 0)
    classes = sorted(set(labels.tolist()))
    within = np.zeros((m, m))
    between = np.zeros((m, m))
    for part in by_class(z, labels):
        share = len(part) / n
        difference = part.mean(axis=0) - z.mean(axis=0)
        within += share * covariance(part)
        between += share * np.outer(difference, difference)
    return {
        "signed_covariance": mean(covariances),
        "signed_correlation": mean(correlations),
        "mean": float(z.mean()),
        "variance": float(np.mean([z[:, i].var() for i in range(m)])),
        "numerical_rank": float(sum(spectrum > 1e-8 * spectrum[0])) if spectrum[0] else 0.0,
        "effective_rank": entropy_rank(spectrum),
        "participation_ratio": float(sum(spectrum) ** 2 / sum(spectrum**2)) if spectrum[0] else 0.0,
        "rankme": entropy_rank(np.linalg.svd(z, compute_uv=False)),
        "spectrum": spectrum,
        "within_class_variance": float(np.trace(within) / m),
        "between_class_variance": float(np.trace(between) / m),
        "nc1": float(np.trace(within @ np.linalg.pinv(between, rcond=1e-8)) / len(classes)),
    }


def _mean_negative_log(z, rate):
    """-1/N sum_i log(1/N sum_j exp(-rate ||z_i - z_j||^2)), pair by pair."""
    n = len(z)
    total = 0.0
    for i in range(n):
        total += np.log(sum(np.exp(-rate * np.sum((z[i] - z[j]) ** 2)) for j in range(n)) / n)
    return -total / n


def information(z, labels, noise_variance):
    """Return Kolchinsky and Tracey's bounds from mixture entropies, in nats, and the conventional differences."""
    z = np.asarray(z, dtype=np.float64)
    low, up = (
        (lambda a: _mean_negative_log(a, 1 / (8 * noise_variance))),
        (lambda a: _mean_negative_log(a, 1 / (2 * noise_variance))),
    )
    parts = by_class(z, np.asarray(labels))
    share = [len(part) / len(z) for part in parts]
    h_y = -sum(p * np.log(p) for p in share)
    low_y = sum(p * low(part) for p, part in zip(share, parts, strict=True))
    up_y = sum(p * up(part) for p, part in zip(share, parts, strict=True))
    return {
        "zx_lower": low(z),
        "zx_upper": up(z),
        "zy_lower": max(low(z) - up_y, 0.0),
        "zy_upper": min(up(z) - low_y, h_y),
        "zy_lower_conventional": low(z) - low_y,
        "zy_upper_conventional": up(z) - up_y,
        "label_entropy": h_y,
    }
