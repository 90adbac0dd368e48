"""Value and gradient in functions compiled by JAX, and their memory."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax

tensor = jax.numpy.asarray
compiled = jax.jit


def with_gradient(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Compile a function of activations and class ids, with its gradient with respect to the activations."""
    return compiled(jax.value_and_grad(function))


def loop(
    formula: Callable[[Any, Any], Any], classes: int, gathered: bool
) -> Callable[[Any, Any], tuple[Any, Any]] | None:
    """Return value and gradient of a sum over classes in a loop; None if `gathered`, whose sizes JAX does not allow."""
    if gathered:
        return None

    @compiled
    def value_and_gradient(z: Any, ids: Any) -> tuple[Any, Any]:
        def add_class(k: Any, sums: tuple[Any, Any]) -> tuple[Any, Any]:
            inside = (ids == k).astype(z.dtype)[:, None]
            value, gradient = jax.value_and_grad(formula)(z, inside)
            return sums[0] + value, sums[1] + gradient

        return jax.lax.fori_loop(0, classes, add_class, (jax.numpy.zeros((), z.dtype), jax.numpy.zeros_like(z)))

    return value_and_gradient


def extra_megabytes(run: Any, z: Any, ids: Any) -> float:
    """Return the memory that XLA allocates for a call in addition to its arguments: temporaries and the gradient."""
    plan = run.lower(z, ids).compile().memory_analysis()
    return float(plan.temp_size_in_bytes + plan.output_size_in_bytes) / 1e6


def exact_products() -> contextlib.AbstractContextManager[None]:
    """Multiply matrices in full float32 within the context, on GPUs too."""
    return jax.default_matmul_precision("float32")
