"""Representations on which the estimators are tested."""

import numpy as np


def clusters(samples=60, units=4, classes=3, spread=0.3, seed=0):
    """ReLU-like activations around a centre a class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    centres = rng.normal(size=(classes, units))
    return np.maximum(centres[labels] + spread * rng.normal(size=(samples, units)), 0), labels


def integral_entropy(z, noise_variance):
    """The entropy of a mixture of Gaussians around points on a line, by integration."""
    s = np.sqrt(noise_variance)
    t = np.linspace(z.min() - 12 * s, z.max() + 12 * s, 200_001)
    density = np.mean([np.exp(-((t - a) ** 2) / (2 * noise_variance)) for a in z], axis=0)
    density /= np.sqrt(2 * np.pi * noise_variance)
    return float(np.trapezoid(-density * np.log(np.maximum(density, 1e-300)), t))
