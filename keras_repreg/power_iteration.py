"""Leading eigenvectors by power iteration, for one matrix or for the matrices of all classes at once.

Plain power iteration needs hundreds of steps if the two largest eigenvalues are close. Here, after a few plain steps,
each step moves within the plane of the current vector and a conjugate direction, where the best vector has a closed
form. A step costs one product with the matrix, as in plain iteration, but the number of steps is about the square root.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_repreg import seam
from keras_repreg.derivatives import with_derivatives_of

Tensor = Any

# Plain power steps of two vectors come first. They remove small eigenvalues, which would cost the conjugate steps most,
# and the second vector finds the leading eigenvector if the first starts orthogonal to it.
POWER_STEPS = 3
# The maximum number of conjugate steps. In tests on random matrices of up to 300 rows and any gap, including none, the
# eigenvalue is then within 1e-3, typically 1e-6; more remains only for hundreds of eigenvalues within a few percent.
CONJUGATE_STEPS = 32
# A matrix has converged when |A u - lambda u| / lambda is below this, near the precision of float32.
TOLERANCE = 1e-5
# Derivatives of the vectors are those of this many power steps: the error is (lambda_2 / lambda_1)^steps.
DERIVATIVE_STEPS = 100


class Matrices(NamedTuple):
    """Positive semi-definite matrices, each with one vector; one tensor holds all vectors.

    Attributes:
        apply: The product of each matrix with its vector.
        inner: The tuple of inner products of pairs of tensors of vectors, each in a shape that broadcasts against these
            tensors.
        diagonal: The diagonals of the matrices, in the shape of the vectors.
    """

    apply: Callable[[Tensor], Tensor]
    inner: Callable[..., tuple[Tensor, ...]]
    diagonal: Tensor


def leading_vectors(
    matrices: Callable[..., Matrices],
    z: Tensor,
    constants: tuple[Tensor, ...] = (),
    search: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Return unit vectors along the leading eigenvectors; zeros for a matrix of zeros.

    Args:
        matrices: Called with `z` and the constants.
        z: The input of the matrices, with respect to which the vectors can be differentiated.
        constants: Other inputs of the matrices.
        search: The function that finds the vectors, called like `matrices`; power iteration by default.
    """

    def by_iteration(z: Tensor, *constants: Tensor) -> Tensor:
        return _iterate(matrices(z, *constants))

    def power_steps(u: Tensor, z: Tensor, *constants: Tensor) -> Tensor:
        made = matrices(z, *constants)
        return _repeat(lambda u: _unit(made.apply(u), made), u)

    return with_derivatives_of(power_steps, search or by_iteration, z, constants)


def _iterate(matrices: Matrices) -> Tensor:
    apply, inner = matrices.apply, matrices.inner
    x, ax, a = _start(matrices)
    residual = ax - a * x
    (rest,) = inner((residual, residual))

    def is_active(a: Tensor, rest: Tensor) -> Tensor:
        return rest > ops.square(TOLERANCE * a)

    def any_active(x: Tensor, ax: Tensor, a: Tensor, residual: Tensor, rest: Tensor, direction: Tensor) -> Tensor:
        return ops.any(is_active(a, rest))

    def improve(x: Tensor, ax: Tensor, a: Tensor, residual: Tensor, rest: Tensor, direction: Tensor) -> Any:
        along, squares = inner((x, direction), (direction, direction))
        p = _ratio(direction - along * x, ops.sqrt(ops.maximum(squares - ops.square(along), 0)))
        ap = apply(p)
        b, c = inner((x, ap), (p, ap))
        cosine, sine = _rotation(a, b, c)
        new_x, new_ax = cosine * x + sine * p, cosine * ax + sine * ap
        new_a = ops.square(cosine) * a + 2 * cosine * sine * b + ops.square(sine) * c
        new_residual = new_ax - new_a * new_x
        new_rest, change = inner((new_residual, new_residual), (new_residual, new_residual - residual))
        # Polak and Ribiere's conjugate direction.
        direction = ops.sqrt(squares) * (cosine * p - sine * x)
        direction = new_residual + ops.maximum(_ratio(change, rest), 0) * direction
        # Converged vectors do not move: their directions are rounding errors.
        active = is_active(a, rest)
        old = (x, ax, a, residual, rest, direction)
        new = (new_x, new_ax, new_a, new_residual, new_rest, direction)
        return tuple(ops.where(active, after, before) for after, before in zip(new, old, strict=True))

    state = _loop(any_active, improve, (x, ax, a, residual, rest, residual))
    # The product is closer to the eigenvector than the vector.
    return _unit(state[1], matrices)


def _start(matrices: Matrices) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best vector x in the plane of two starting vectors, the product A x, and x^T A x."""
    apply, inner, diagonal = matrices
    index = ops.cumsum(ops.ones_like(diagonal), axis=0)
    # The first is positive, like the leading vector of non-negative activations, and both are uneven.
    x, y = (_unit(ops.sqrt(diagonal) * uneven, matrices) for uneven in (1.5 + ops.sin(index), ops.cos(index)))
    for _ in range(POWER_STEPS):
        x, y = _unit(apply(x), matrices), apply(y)
        # Twice, because rounding leaves a part of x if y is almost parallel to it.
        for _ in range(2):
            y = _unit(y - inner((x, y))[0] * x, matrices)
    ax, ay = apply(x), apply(y)
    a, b, c = inner((x, ax), (x, ay), (y, ay))
    cosine, sine = _rotation(a, b, c)
    x, ax = cosine * x + sine * y, cosine * ax + sine * ay
    return x, ax, inner((x, ax))[0]


def _rotation(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosine and sine of the angle of the leading vector of [[a, b], [b, c]]."""
    angle = 0.5 * ops.arctan2(2 * b, a - c)
    return ops.cos(angle), ops.sin(angle)


def _loop(condition: Callable[..., Tensor], body: Callable[..., Any], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if keras.backend.backend() == "torch" and seam.value_of(condition(*state)) is None:
        # While PyTorch traces or maps a function, branches cannot depend on values.
        for _ in range(CONJUGATE_STEPS):
            state = body(*state)
        return state
    return ops.while_loop(condition, body, state, maximum_iterations=CONJUGATE_STEPS)


def _repeat(step: Callable[[Tensor], Tensor], u: Tensor) -> Tensor:
    """Take `DERIVATIVE_STEPS` steps, in a loop that can be differentiated in both modes."""
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(0, DERIVATIVE_STEPS, lambda i, u: step(u), u)
    # XLA differentiates only loops with a known maximum length.
    state = (ops.zeros((), "int32"), u)
    return ops.while_loop(lambda i, u: i < DERIVATIVE_STEPS, lambda i, u: (i + 1, step(u)), state, DERIVATIVE_STEPS)[1]


def _unit(u: Tensor, matrices: Matrices) -> Tensor:
    return _ratio(u, ops.sqrt(matrices.inner((u, u))[0]))


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    positive = denominator > 0
    return ops.where(positive, numerator / ops.where(positive, denominator, 1), 0)
