"""First and second derivatives of every penalty under every transformation of a backend match the formula."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_repreg import power_iteration
from tests import reference
from tests.layers.cases import CASES, batch

BACKEND = keras.backend.backend()
SHAPE = (6, 9, 2)


@functools.cache
def expected(number):
    """Return gradient, directional derivative, and directional derivative of the gradient by float64 differences."""
    case = CASES[number]
    z, labels = batch(*SHAPE, seed=1, relu=False)
    exact, along = z.astype(np.float64), np.random.default_rng(2).normal(size=z.shape)
    gradient = reference.finite_difference(lambda t: case.oracle(t, labels), exact)
    step = 1e-4

    def slope(t):
        return (case.oracle(t + step * along, labels) - case.oracle(t - step * along, labels)) / (2 * step)

    second = reference.finite_difference(slope, exact, step)
    return z, labels, along.astype("float32"), {"gradient": gradient, "slope": slope(exact), "second": second}


def _jax():
    import jax

    def hessian(f, z, v):
        return jax.numpy.tensordot(jax.hessian(f)(z), v, axes=2)

    return {
        "grad": ("gradient", lambda f, z, v: jax.grad(f)(z)),
        "checkpoint": ("gradient", lambda f, z, v: jax.grad(jax.checkpoint(f))(z)),
        "jvp": ("slope", lambda f, z, v: jax.jvp(f, (z,), (v,))[1]),
        "jacfwd": ("gradient", lambda f, z, v: jax.jacfwd(f)(z)),
        "vmap": ("gradient", lambda f, z, v: jax.vmap(jax.grad(f))(jax.numpy.stack([2 * z, z]))[1]),
        "hessian": ("second", hessian),
        "reverse over reverse": ("second", lambda f, z, v: jax.grad(lambda t: (jax.grad(f)(t) * v).sum())(z)),
    }


def _torch():
    import torch
    from torch import func

    def double_backward(f, z, v):
        z = z.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(f(z), z, create_graph=True)
        # The second derivative of L1 is zero, so PyTorch records no history for its gradient.
        return torch.autograd.grad((gradient * v + 0 * z).sum(), z)[0]

    def compiled(f, z, v):
        torch._dynamo.reset()
        z = z.clone().requires_grad_(True)
        return torch.autograd.grad(torch.compile(f, fullgraph=True, backend="aot_eager")(z), z)[0]

    return {
        "double backward": ("second", double_backward),
        "compile": ("gradient", compiled),
        "func.grad": ("gradient", lambda f, z, v: func.grad(f)(z)),
        "func.jvp": ("slope", lambda f, z, v: func.jvp(f, (z,), (v,))[1]),
        "func.vmap": ("gradient", lambda f, z, v: func.vmap(func.grad(f))(torch.stack([2 * z, z]))[1]),
        "func.hessian": ("second", lambda f, z, v: torch.tensordot(func.hessian(f)(z), v, dims=2)),
    }


def _tensorflow():
    import tensorflow as tf

    def gradient(f, z, v):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = f(z)
        return tape.gradient(value, z)

    def nested(f, z, v):
        with tf.GradientTape() as tape:
            tape.watch(z)
            slope = tf.reduce_sum(gradient(f, z, v) * v)
        return tape.gradient(slope, z, unconnected_gradients="zero")

    def compiled(function):
        return lambda f, z, v: tf.function(lambda z, v: function(f, z, v), jit_compile=True)(z, v)

    return {
        "nested tapes": ("second", nested),
        "XLA": ("gradient", compiled(gradient)),
        "nested tapes in XLA": ("second", compiled(nested)),
    }


TRANSFORMATIONS = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow}[BACKEND]()


# Warnings that Keras and PyTorch cause themselves.
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.filterwarnings("ignore:`torch.jit.script")
@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_transformations(case, name, monkeypatch):
    if name == "compile":
        # PyTorch unrolls loops and compiles every step.
        monkeypatch.setattr(power_iteration, "CONJUGATE_STEPS", 6)
    if name == "compile" and "seed" in case.arguments:
        pytest.skip("PyTorch does not compile Keras's and NumPy's random numbers")
    z, labels, along, by_differences = expected(CASES.index(case))
    layer, labels = case.make(), ops.convert_to_tensor(labels)

    def penalty(z):
        layer([z, labels] if case.classwise else z)
        return layer.losses[0]

    penalty(ops.convert_to_tensor(z))  # builds the layer
    what, transform = TRANSFORMATIONS[name]
    if BACKEND == "jax":
        import jax

        transform = functools.partial(jax.jit, static_argnums=0)(transform)
    found = transform(penalty, ops.convert_to_tensor(z), ops.convert_to_tensor(along))
    found = found.detach().numpy() if BACKEND == "torch" else np.asarray(found)
    penalty(ops.convert_to_tensor(z))  # so that no traced tensor remains in the layer's losses
    right = by_differences[what]
    np.testing.assert_allclose(found, right, rtol=5e-3, atol=1e-3 * np.abs(right).max() + 1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch differentiates through ordinary Python loops")
def test_second_derivatives_of_many_samples():
    """With this many samples, class-wise covariances are computed in tiles."""
    from keras_repreg.classes import HardClasses

    z, labels = batch(140, 9, 3, seed=1, relu=False)
    labels = ops.convert_to_tensor(labels)
    name = "reverse over reverse" if BACKEND == "jax" else "nested tapes in XLA"
    second, gradient = TRANSFORMATIONS[name][1], TRANSFORMATIONS["grad" if BACKEND == "jax" else "XLA"][1]
    along = np.random.default_rng(2).normal(size=z.shape).astype("float32")

    def penalty(z):
        return HardClasses(labels, "float32").squared_off_diagonal_sum(z)

    found = np.asarray(second(penalty, ops.convert_to_tensor(z), ops.convert_to_tensor(along)))
    step = np.float32(1e-2)
    high, low = (np.asarray(gradient(penalty, ops.convert_to_tensor(z + s * along), None)) for s in (step, -step))
    expected = (high - low) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())
