"""The inverse square root of covariance matrices, with a finite gradient even for equal eigenvalues."""

from typing import Any

from keras import ops

from keras_repreg.batch_statistics import finite

Tensor = Any


def by_decomposition(matrices: Tensor, smallest: float) -> Tensor:
    """Return C^(-1/2) of symmetric matrices (..., d, d) with eigenvalues of at least `smallest`, by eigendecomposition.

    The derivative of U f(L) U^T in the direction dC is U (K * (U^T dC U)) U^T, where K holds the divided differences of
    f; for f(l) = l^(-1/2) these are -1 / (sqrt(l_i l_j) (sqrt(l_i) + sqrt(l_j))), which, unlike the derivative of U,
    contain no division by a gap between eigenvalues. Second derivatives are wrong, since they ignore the derivatives of
    K and U.
    """
    values, vectors = ops.linalg.eigh(finite(ops.stop_gradient(matrices)))
    root = ops.sqrt(ops.stop_gradient(ops.maximum(values, smallest)))
    vectors = ops.stop_gradient(vectors)
    transposed = ops.swapaxes(vectors, -1, -2)
    rotated = ops.matmul(transposed, ops.matmul(matrices, vectors))
    left, right = root[..., :, None], root[..., None, :]
    slope = -1 / (left * right * (left + right))
    # Exactly zero; it only contributes the derivative.
    change = slope * (rotated - ops.stop_gradient(rotated))
    diagonal = (1 / left) * ops.eye(matrices.shape[-1], dtype=matrices.dtype)
    return ops.matmul(vectors, ops.matmul(diagonal + change, transposed))


def by_newton_schulz(matrices: Tensor, iterations: int) -> Tensor:
    """Approximate C^(-1/2) of positive definite matrices (..., d, d) with matrix products only.

    C is divided by its trace, so that all eigenvalues are in (0, 1]. The Newton-Schulz iteration is P <- (3 P - P^3 C)
    / 2 from P = I. It is computed in coupled form, which is equal in exact arithmetic and keeps rounding errors from
    growing.
    """
    identity = ops.eye(matrices.shape[-1], dtype=matrices.dtype)
    trace = ops.sum(matrices * identity, axis=(-1, -2), keepdims=True)
    y, p = matrices / trace, identity + ops.zeros_like(matrices)
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * ops.matmul(p, y)
        y, p = ops.matmul(y, step), ops.matmul(step, p)
    return p / ops.sqrt(trace)
