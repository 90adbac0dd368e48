"""A training epoch in one function compiled by JAX, meant for GPUs: XLA's convolutions are slow on a CPU."""

from collections.abc import Callable
from typing import Any

import jax
import keras

import keras_repreg
from benchmarks.data import Split


def compiled_epoch(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    data: Split,
    jit_compile: bool | None,
) -> Callable[[Any], Any]:
    """Return the function that trains one epoch for `EpochTrainer`; the optimizer must be built.

    Raises:
        ValueError: if `jit_compile` is False, because JAX always compiles the loop.
    """
    if jit_compile is False:
        raise ValueError(f"Expected jit_compile True or None on JAX. Received: {jit_compile!r}")
    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    step = training_step(model, optimizer, loss)

    # The samples are arguments because captured arrays become constants of the compiled program.
    @jax.jit
    def epoch(state: Any, batches: Any, x: Any, y: Any) -> tuple[Any, Any]:
        state, totals = jax.lax.scan(lambda state, batch: step(state, x[batch], y[batch]), state, batches)
        return state, totals.mean()

    x, y = jax.numpy.asarray(data.x), jax.numpy.asarray(data.y)

    def run(batches: Any) -> Any:
        state, total = epoch(tuple([one.value for one in some] for some in variables), batches, x, y)
        for some, values in zip(variables, state, strict=True):
            for variable, value in zip(some, values, strict=True):
                variable.assign(value)
        return total

    return run


def training_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Return a pure function of the state and a batch that returns the new state and the loss including penalties.

    The state is a tuple of the values of trainable variables, non-trainable variables and optimizer variables.
    """

    def total_loss(trainable: Any, rest: Any, x: Any, y: Any) -> tuple[Any, Any]:
        with keras_repreg.label_scope(y):
            logits, rest, penalties = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
        return sum(penalties, loss(y, logits)), rest

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        trainable, rest, slots = state
        (total, rest), gradients = jax.value_and_grad(total_loss, has_aux=True)(trainable, rest, x, y)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, rest, slots), total

    return step
