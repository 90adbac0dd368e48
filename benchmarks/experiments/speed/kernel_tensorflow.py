"""Value and gradient in functions compiled by TensorFlow, and their memory."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

tensor = tf.constant


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with XLA."""
    return tf.function(function, jit_compile=True, autograph=False)


def with_gradient(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Compile a function of activations and class ids, with its gradient with respect to the activations."""

    def value_and_gradient(z: Any, ids: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = function(z, ids)
        return value, tape.gradient(value, z)

    return compiled(value_and_gradient)


def loop(formula: Callable[[Any, Any], Any], classes: int, gathered: bool) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return value and gradient of a sum over classes in a loop, without XLA if `gathered`, whose sizes vary."""

    @tf.function(jit_compile=not gathered)
    def value_and_gradient(z: Any, ids: Any) -> tuple[Any, Any]:
        total, gradient = tf.zeros(()), tf.zeros_like(z)
        for k in tf.range(classes):
            member = tf.equal(ids, k)
            with tf.GradientTape() as tape:
                tape.watch(z)
                rows = tf.boolean_mask(z, member) if gathered else z
                inside = tf.boolean_mask(member, member) if gathered else member
                value = formula(rows, tf.cast(inside, "float32")[:, None])
            total += value
            gradient += tf.convert_to_tensor(tape.gradient(value, z))
        return total, gradient

    return value_and_gradient


def extra_megabytes(run: Callable[..., Any], z: Any, ids: Any) -> float:
    """Return the peak memory that TensorFlow allocates during a call, in addition to what was allocated before."""
    device = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
    run(z, ids)[0].numpy()
    tf.config.experimental.reset_memory_stats(device)
    before = tf.config.experimental.get_memory_info(device)["current"]
    run(z, ids)[0].numpy()
    return float(tf.config.experimental.get_memory_info(device)["peak"] - before) / 1e6


@contextlib.contextmanager
def exact_products() -> Iterator[None]:
    """Multiply matrices in full float32 within the context, on GPUs too."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(enabled)
