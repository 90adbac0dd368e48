"""An epoch of training inside one function that JAX compiles, for a GPU: XLA's convolutions are slow on a CPU."""

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
    """What `EpochTrainer` calls; the optimizer is built for the model.

    Raises:
        ValueError: if `jit_compile` is False: here the loop is always compiled.
    """
    if jit_compile is False:
        raise ValueError(f"Expected jit_compile True or None on JAX. Received: {jit_compile!r}")
    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)

    def total_loss(trainable: Any, rest: Any, x: Any, y: Any) -> tuple[Any, Any]:
        with keras_repreg.label_scope(y):
            logits, rest, penalties = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
        return sum(penalties, loss(y, logits)), rest

    # What a traced function only refers to becomes a constant of the program: the samples are arguments.
    @jax.jit
    def epoch(state: Any, batches: Any, x: Any, y: Any) -> tuple[Any, Any]:
        def step(state: Any, batch: Any) -> tuple[Any, Any]:
            trainable, rest, slots = state
            differentiate = jax.value_and_grad(total_loss, has_aux=True)
            (total, rest), gradients = differentiate(trainable, rest, x[batch], y[batch])
            trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
            return (trainable, rest, slots), total

        state, totals = jax.lax.scan(step, state, batches)
        return state, totals.mean()

    x, y = jax.numpy.asarray(data.x), jax.numpy.asarray(data.y)

    def run(batches: Any) -> Any:
        state, total = epoch(tuple([one.value for one in some] for some in variables), batches, x, y)
        for some, values in zip(variables, state, strict=True):
            for variable, value in zip(some, values, strict=True):
                variable.assign(value)
        return total

    return run
