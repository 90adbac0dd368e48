"""Leading eigenvectors by power iteration, of one matrix or of the matrices of all classes at once.

Plain power iteration needs hundreds of steps where the two largest eigenvalues are close. Here each step after the
first few moves within the plane of the current vector and a conjugate direction, in which the best vector has a closed
form: one product with the matrix per step, as in plain iteration, and about the square root of its number of steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_repreg import seam
from keras_repreg.derivatives import with_derivatives_of

Tensor = Any

# Plain power steps first, of two vectors: they take both away from the small eigenvalues, which cost the others most
# steps, and the second has the leading eigenvector where the first began orthogonal to it.
POWER_STEPS = 3
# At most this many conjugate steps. In tests over random matrices of up to 300 rows with every gap, down to none, the
# eigenvalue is then within 1e-3, typically 1e-6; what remains is for hundreds of eigenvalues within a few percent.
CONJUGATE_STEPS = 32
# A matrix is done when |A u - lambda u| is below this part of its lambda, near the precision of float32.
TOLERANCE = 1e-5
# Derivatives of the vectors are those of so many power steps from them: the error is (lambda_2 / lambda_1)^steps.
DERIVATIVE_STEPS = 100


class Matrices(NamedTuple):
    """Positive semi-definite matrices, each with one vector; all vectors together are one tensor.

    Attributes:
        apply: The product of each matrix with its vector.
        inner: From pairs of tensors of vectors, the tuple of their inner products, each in a shape that broadcasts
            against these tensors.
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
        z: What the matrices are made of, and the vectors can be differentiated by.
        constants: Other tensors that they are made of.
        search: What to find the vectors with, called as `matrices` is; by default power iteration.
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
        # What has converged stays as it is: its directions are rounding errors.
        active = is_active(a, rest)
        old = (x, ax, a, residual, rest, direction)
        new = (new_x, new_ax, new_a, new_residual, new_rest, direction)
        return tuple(ops.where(active, after, before) for after, before in zip(new, old, strict=True))

    state = _loop(any_active, improve, (x, ax, a, residual, rest, residual))
    # The product is nearer to the eigenvector than the vector is.
    return _unit(state[1], matrices)


def _start(matrices: Matrices) -> tuple[Tensor, Tensor, Tensor]:
    """The best vector x in the plane of two starts, the product A x, and x^T A x."""
    apply, inner, diagonal = matrices
    index = ops.cumsum(ops.ones_like(diagonal), axis=0)
    # The first positive, as the leading vector of non-negative activations is, and both uneven.
    x, y = (_unit(ops.sqrt(diagonal) * uneven, matrices) for uneven in (1.5 + ops.sin(index), ops.cos(index)))
    for _ in range(POWER_STEPS):
        x, y = _unit(apply(x), matrices), apply(y)
        # Twice, since rounding leaves some of x if y is almost parallel to it.
        for _ in range(2):
            y = _unit(y - inner((x, y))[0] * x, matrices)
    ax, ay = apply(x), apply(y)
    a, b, c = inner((x, ax), (x, ay), (y, ay))
    cosine, sine = _rotation(a, b, c)
    x, ax = cosine * x + sine * y, cosine * ax + sine * ay
    return x, ax, inner((x, ax))[0]


def _rotation(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angle of the leading vector of [[a, b], [b, c]]."""
    angle = 0.5 * ops.arctan2(2 * b, a - c)
    return ops.cos(angle), ops.sin(angle)


def _loop(condition: Callable[..., Tensor], body: Callable[..., Any], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if keras.backend.backend() == "torch" and seam.value_of(condition(*state)) is None:
        # While PyTorch traces or maps a function, no branch can depend on a value.
        for _ in range(CONJUGATE_STEPS):
            state = body(*state)
        return state
    return ops.while_loop(condition, body, state, maximum_iterations=CONJUGATE_STEPS)


def _repeat(step: Callable[[Tensor], Tensor], u: Tensor) -> Tensor:
    """`DERIVATIVE_STEPS` steps, in a loop that can be differentiated in both modes."""
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(0, DERIVATIVE_STEPS, lambda i, u: step(u), u)
    # XLA differentiates only loops whose greatest length it is told.
    state = (ops.zeros((), "int32"), u)
    return ops.while_loop(lambda i, u: i < DERIVATIVE_STEPS, lambda i, u: (i + 1, step(u)), state, DERIVATIVE_STEPS)[1]


def _unit(u: Tensor, matrices: Matrices) -> Tensor:
    return _ratio(u, ops.sqrt(matrices.inner((u, u))[0]))


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    positive = denominator > 0
    return ops.where(positive, numerator / ops.where(positive, denominator, 1), 0)
