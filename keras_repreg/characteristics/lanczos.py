"""The largest eigenvalue of a symmetric matrix, without decomposing it."""

import numpy as np

from keras_repreg.characteristics.moments import Array

# Up to this size a full decomposition is as fast.
SMALL = 200
# Beyond this number of steps, a decomposition is cheaper.
STEPS = 300
TOLERANCE = 1e-11


def largest_eigenvalue(matrix: Array) -> float:
    """Return the largest eigenvalue of a positive semi-definite matrix to a relative 1e-10; 0 for an empty matrix.

    Uses Lanczos iteration with full reorthogonalization, until the residual of the Ritz value, which bounds its
    distance to an eigenvalue, is below the tolerance. If convergence is slow, as for hundreds of eigenvalues close to
    the largest, the matrix is decomposed.

    Reference:
        Parlett (1998), "The symmetric eigenvalue problem", chapters 11 and 13.
    """
    n = len(matrix)
    if n <= SMALL:
        return float(np.linalg.eigvalsh(matrix)[-1]) if n else 0.0
    steps = min(STEPS, n // 2)
    basis = np.zeros((steps + 1, n))
    diagonal, off_diagonal = np.zeros(steps), np.zeros(steps)
    # A start that is not orthogonal to the eigenvectors of structured matrices.
    start = np.random.default_rng(0).normal(size=n)
    basis[0] = start / np.linalg.norm(start)
    check = 10
    for k in range(steps):
        w = matrix @ basis[k]
        diagonal[k] = w @ basis[k]
        for _ in range(2):  # a single pass leaves rounding errors, two are enough
            w -= basis[: k + 1].T @ (basis[: k + 1] @ w)
        off_diagonal[k] = np.linalg.norm(w)
        negligible = off_diagonal[k] <= TOLERANCE * max(abs(diagonal[: k + 1]).max(), np.finfo(np.float64).tiny)
        if negligible or k + 1 == check or k + 1 == steps:
            value, residual = _ritz(diagonal[: k + 1], off_diagonal[: k + 1])
            if negligible or residual <= TOLERANCE * value:
                return value
            check += max(5, check // 4)
        basis[k + 1] = w / off_diagonal[k]
    return float(np.linalg.eigvalsh(matrix)[-1])


def _ritz(diagonal: Array, off_diagonal: Array) -> tuple[float, float]:
    """Return the largest Ritz value and its residual."""
    k = len(diagonal)
    tridiagonal = np.diag(diagonal) + np.diag(off_diagonal[: k - 1], 1) + np.diag(off_diagonal[: k - 1], -1)
    values, vectors = np.linalg.eigh(tridiagonal)
    return float(values[-1]), float(abs(off_diagonal[k - 1] * vectors[-1, -1]))
