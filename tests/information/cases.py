"""Representations for testing the estimators."""

import itertools

import numpy as np


def clusters(samples=60, units=4, classes=3, spread=0.3, seed=0):
    """Return ReLU-like activations around one centre per class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    centres = rng.normal(size=(classes, units))
    return np.maximum(centres[labels] + spread * rng.normal(size=(samples, units)), 0), labels


def integral_entropy(z, noise_variance):
    """Return the entropy of a mixture of Gaussians around points on a line by numerical integration."""
    s = np.sqrt(noise_variance)
    t = np.linspace(z.min() - 12 * s, z.max() + 12 * s, 200_001)
    density = np.mean([np.exp(-((t - a) ** 2) / (2 * noise_variance)) for a in z], axis=0)
    density /= np.sqrt(2 * np.pi * noise_variance)
    return float(np.trapezoid(-density * np.log(np.maximum(density, 1e-300)), t))


LINE = np.array([-3.0, -1.0, 1.0, 3.0])
# Points and their classes, one sample per point.
CONSTELLATIONS = {
    "two points": (np.array([[-1.0], [1.0]]), np.array([0, 1])),
    "4-PAM": (LINE[:, None], np.array([0, 0, 1, 1])),
    "8-PAM": (np.arange(8.0)[:, None], np.arange(8) % 2),
    "16-QAM": (np.array(list(itertools.product(LINE, LINE))), np.arange(16) % 4),
    "8-PSK": (
        np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1),
        np.arange(8) // 2,
    ),
    "uneven": (np.array([[0.0, 0.0], [0.2, 0.0], [3.0, 1.0], [3.0, 1.0], [7.0, -2.0]]), np.array([0, 0, 1, 1, 0])),
}


def quadrature(points, labels, noise_variance):
    """Return I(z; x) and I(z; y) in nats by Gauss-Hermite quadrature, for points in one or two dimensions."""
    units = points.shape[1]
    nodes, weights = np.polynomial.hermite.hermgauss({1: 200, 2: 60}[units])
    noise = np.sqrt(2 * noise_variance) * np.array(list(itertools.product(nodes, repeat=units)))
    weights = np.prod(list(itertools.product(weights / np.sqrt(np.pi), repeat=units)), axis=1)

    def entropy(centres):
        """Return the entropy of the mixture, up to a constant that cancels."""
        total = 0.0
        for centre in centres:
            at = centre + noise
            squares = ((at[:, None] - centres) ** 2).sum(axis=2) - (noise**2).sum(axis=1)[:, None]
            exponents = -squares / (2 * noise_variance)
            largest = exponents.max(axis=1)
            density = np.exp(exponents - largest[:, None]).mean(axis=1)
            total -= weights @ (largest + np.log(density)) / len(centres)
        return total

    shares = [np.mean(labels == k) for k in np.unique(labels)]
    parts = [points[labels == k] for k in np.unique(labels)]
    zx = entropy(points)
    return zx, zx - sum(share * entropy(part) for share, part in zip(shares, parts, strict=True))
