"""Values with their gradients in functions that JAX compiles, and the memory that they take."""

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
    """Value and gradient of a sum over the classes, one after the other; None if gathered, which needs fixed sizes."""
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
    """What XLA has planned for a call beyond its arguments: intermediates and the gradient."""
    plan = run.lower(z, ids).compile().memory_analysis()
    return float(plan.temp_size_in_bytes + plan.output_size_in_bytes) / 1e6


def exact_products() -> contextlib.AbstractContextManager[None]:
    """Within it, matrices are multiplied in float32 on a GPU too."""
    return jax.default_matmul_precision("float32")
