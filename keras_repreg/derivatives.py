"""Functions with closed-form derivatives, in every mode and order of differentiation of the backend.

With `keras.ops.custom_gradient`, JAX has no forward mode and PyTorch no second derivatives, so this module uses the API
of each backend.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Tensor = Any


def with_gradient(
    function: Callable[..., tuple[Tensor, Tensor]], z: Tensor, constants: tuple[Tensor, ...] = ()
) -> Tensor:
    """Return the scalar of `function(z, *constants) -> (scalar, its gradient with respect to z)`, with that gradient.

    A closed-form gradient saves half of the matrix products of the backward pass. Second derivatives are derivatives of
    the gradient. Constants have no derivatives. All tensors that `function` needs must be arguments: on JAX a traced
    tensor in its closure would be used outside of its trace.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        if torch.compiler.is_compiling():
            # Functions with a custom forward mode are not compiled; the operations of the value are.
            return function(z, *constants)[0]
        return WithGradient.apply(function, z, *constants)[0]
    if backend == "tensorflow":

        @ops.custom_gradient
        def with_pull_back(z: Tensor, *constants: Tensor) -> Any:
            value, gradient = function(z, *constants)
            return value, lambda upstream: _with_none_for(upstream * gradient, constants)

        return with_pull_back(z, *constants)

    import jax

    @jax.custom_jvp
    def evaluated(z: Tensor, *constants: Tensor) -> Tensor:
        return function(z, *constants)[0]

    @evaluated.defjvp
    def push_forward(primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        value, gradient = function(*primals)
        return value, ops.sum(gradient * tangents[0])

    return evaluated(z, *constants)


def with_derivatives_of(
    plain: Callable[..., Tensor], value: Callable[..., Tensor], z: Tensor, constants: tuple[Tensor, ...] = ()
) -> Tensor:
    """Return `value(z, *constants)`, differentiated as if it were `plain(value, z, *constants)`.

    Use it if `value` comes from a search or loop that cannot be differentiated. `plain` receives the value as a
    constant, and is computed only if a derivative is needed (on PyTorch: if one may be). The value is a constant under
    `torch.compile`, which has no second derivatives.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        found = value(ops.stop_gradient(z), *constants)
        once = torch.compiler.is_compiling() or not torch.is_grad_enabled()
        return found if once else plain(found, z, *constants)
    if backend == "tensorflow":
        import tensorflow as tf

        @ops.custom_gradient
        def with_pull_back(z: Tensor, *constants: Tensor) -> Any:
            # Otherwise loops in a graph would need gradients.
            found = value(z if tf.executing_eagerly() else ops.stop_gradient(z), *constants)

            def pull_back(upstream: Tensor) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    result = plain(ops.stop_gradient(found), z, *constants)
                return _with_none_for(tape.gradient(result, z, upstream), constants)

            return found, pull_back

        return with_pull_back(z, *constants)

    import jax

    @jax.custom_jvp
    def evaluated(z: Tensor, *constants: Tensor) -> Tensor:
        return value(z, *constants)

    @evaluated.defjvp
    def push_forward(primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        z, *constants = primals
        found = evaluated(*primals)
        fixed = ops.stop_gradient(found)
        return found, jax.jvp(lambda z: plain(fixed, z, *constants), (z,), tangents[:1])[1]

    return evaluated(z, *constants)


def _with_none_for(slope: Tensor, constants: tuple[Tensor, ...]) -> Any:
    return (slope, *(None for _ in constants)) if constants else slope


if keras.backend.backend() == "torch":
    import torch

    class WithGradient(torch.autograd.Function):
        """The function of `with_gradient`, for both modes, `torch.func` and second derivatives."""

        generate_vmap_rule = True

        @staticmethod
        def forward(function: Any, z: Tensor, *constants: Tensor) -> tuple[Tensor, Tensor]:
            return function(z, *constants)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
            ctx.function, *tensors = inputs
            gradient = output[1]
            ctx.mark_non_differentiable(gradient)
            ctx.save_for_backward(gradient, *tensors)
            ctx.save_for_forward(*tensors)

        @staticmethod
        def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Any, ...]:
            gradient, *tensors = ctx.saved_tensors
            if torch.is_grad_enabled():
                # For second derivatives: the saved gradient has no history.
                gradient = ctx.function(*tensors)[1]
            return None, upstream * gradient, *(None for _ in tensors[1:])

        @staticmethod
        def jvp(ctx: Any, _: None, tangent: Tensor, *rest: Any) -> tuple[Tensor, None]:
            return torch.sum(ctx.function(*ctx.saved_tensors)[1] * tangent), None
