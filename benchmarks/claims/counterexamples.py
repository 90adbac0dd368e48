"""Small computations that decide claims for which no network has to be trained; shown in docs/objections.md."""

from typing import Any

import numpy as np


def scaled_predictions() -> tuple[float, float]:
    """Return the share of predictions that remain when z is scaled by a tenth, without and with biases after it."""
    rng = np.random.default_rng(0)
    z, kernel, bias = rng.normal(size=(1000, 20)), rng.normal(size=(20, 10)), rng.normal(size=10)

    def same(bias: Any) -> float:
        before, after = z @ kernel + bias, 0.1 * z @ kernel + bias
        return float(np.mean(before.argmax(axis=1) == after.argmax(axis=1)))

    return same(np.zeros(10)), same(bias)


def nonnegative_layer() -> float:
    """Return how far the outputs of two networks differ whose Q is not diagonal, on a layer that ReLU never clips."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(1000, 5))
    kernel, bias, q = rng.uniform(size=(5, 4)), rng.uniform(size=4), rng.uniform(size=(4, 4)) + np.eye(4)
    following = rng.normal(size=(4, 3))
    before = np.maximum(x @ kernel + bias, 0) @ following
    after = np.maximum(x @ kernel @ q.T + q @ bias, 0) @ np.linalg.inv(q).T @ following
    return float(np.abs(after - before).max())


def affine_map_of_ranks() -> tuple[list[int], list[float]]:
    """Return rank and stable rank of the covariance before and after one direction is stretched by ten."""
    z = np.random.default_rng(0).normal(size=(1000, 5))
    covariances = [np.cov(one.T, bias=True) for one in (z, z @ np.diag([10, 1, 1, 1, 1]))]
    ranks = [int(np.linalg.matrix_rank(one)) for one in covariances]
    return ranks, [float((one**2).sum() / np.linalg.norm(one, 2) ** 2) for one in covariances]


def aligned_dead_units() -> tuple[int, int]:
    """Return units that are not dead and the rank of the covariance, of a random ReLU layer with ten dead units."""
    rng = np.random.default_rng(0)
    before = rng.normal(size=(1000, 40))
    before[:, :10] -= 100
    z = np.maximum(before, 0)
    return int((z > 0).any(axis=0).sum()), int(np.linalg.matrix_rank(np.cov(z.T, bias=True)))


def scalar_code(classes: int = 10) -> tuple[float, float]:
    """Return I(z;y) and H(y) in nats of a representation of one unit whose value is the class."""
    y: Any = np.arange(1000) % classes
    z: Any = y.astype(float)
    joint = np.array([[np.mean((z == value) & (y == k)) for k in range(classes)] for value in np.unique(z)])
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    here = joint > 0
    share = joint.sum(axis=0)
    information = float((joint[here] * np.log(joint[here] / independent[here])).sum())
    return information, float(-(share * np.log(share)).sum())
