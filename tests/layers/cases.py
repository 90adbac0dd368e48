"""A table of the penalties: layer, arguments, oracle and divisor of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_repreg
from tests import reference


@dataclass(frozen=True)
class Case:
    layer: Any
    omega: Callable
    divisor: Callable  # as a function of (N, M, K)
    classwise: bool = False
    arguments: dict = field(default_factory=dict)
    # Names of the arguments that scale Omega.
    weights: tuple = ("weight",)
    # Omega with `normalize=True`, if it is not a multiple of the other.
    normalized_omega: Callable | None = None

    def __str__(self):
        return "-".join([self.layer.__name__, *map(str, self.arguments.values())])

    def make(self, weight=1.0, **arguments):
        return self.layer(**dict.fromkeys(self.weights, weight), **{**self.arguments, **arguments})

    def oracle(self, z, labels):
        z = np.asarray(z, dtype=np.float64)
        return self.omega(z, labels) if self.classwise else self.omega(z)

    def normalized_oracle(self, z, labels):
        if self.normalized_omega is not None:
            return self.normalized_omega(np.asarray(z, dtype=np.float64))
        return self.oracle(z, labels) / max(self.divisor(*z.shape, len(set(labels.tolist()))), 1)


def _ranks(layer, classwise, divisor):
    omegas = {"holder": reference.holder_rank, "power": reference.stable_rank, "svd": reference.stable_rank}
    for method, omega in omegas.items():
        chosen = reference.classwise(omega) if classwise else omega
        yield Case(layer, chosen, divisor, classwise, {"method": method})


def _along_directions(omega):
    """Return Omega for the directions of an evaluation, which have seed 0."""
    return lambda z: omega(z, directions(z.shape[1]))


def directions(units, slices=16, seed=0):
    normal = np.random.default_rng(seed).normal(size=(units, slices))
    return normal / np.sqrt((normal**2).sum(axis=0))


CASES = [
    Case(keras_repreg.CovarianceRegularization, reference.cr, lambda n, m, k: m * (m - 1)),
    Case(
        keras_repreg.ClasswiseCovarianceRegularization,
        reference.classwise(reference.cr),
        lambda n, m, k: m * (m - 1) * k,
        True,
    ),
    Case(keras_repreg.VarianceRegularization, reference.vr, lambda n, m, k: m),
    Case(keras_repreg.ClasswiseVarianceRegularization, reference.classwise(reference.vr), lambda n, m, k: m * k, True),
    Case(keras_repreg.L1Regularization, reference.l1r, lambda n, m, k: n * m),
    *_ranks(keras_repreg.RankRegularization, False, lambda n, m, k: m),
    *_ranks(keras_repreg.ClasswiseRankRegularization, True, lambda n, m, k: m * k),
    Case(
        keras_repreg.VCRegularization,
        reference.vc,
        None,
        weights=("variance_weight", "covariance_weight"),
        normalized_omega=lambda z: reference.vc(z, pairs=True),
    ),
    Case(
        keras_repreg.SIGRegularization,
        _along_directions(reference.sig),
        lambda n, m, k: n,
        arguments={"slices": 16, "seed": 0},
    ),
    Case(
        keras_repreg.ClasswiseSIGRegularization,
        reference.classwise(_along_directions(reference.standardized_sig)),
        lambda n, m, k: n,
        True,
        {"slices": 16, "seed": 0},
    ),
]
CLASSWISE = [case for case in CASES if case.classwise]


def penalty(layer, z, labels=None):
    """The layer's loss for a batch, as a float."""
    z = ops.convert_to_tensor(z)
    layer(z) if labels is None else layer([z, ops.convert_to_tensor(labels)])
    (loss,) = layer.losses
    return float(ops.convert_to_numpy(loss))


def gradient(layer, z, labels=None):
    """Return the gradient of the layer's loss with respect to its input, on any backend."""
    labels = None if labels is None else ops.convert_to_tensor(labels)
    z = ops.convert_to_tensor(z)
    inputs = (lambda t: t) if labels is None else (lambda t: [t, labels])
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(z)
            layer(inputs(z))
            loss = layer.losses[0]
        return tape.gradient(loss, z).numpy()
    if backend == "jax":
        import jax

        def loss_of(t):
            layer(inputs(t))
            return layer.losses[0]

        result = np.asarray(jax.grad(loss_of)(z))
        layer(inputs(z))  # so that no tracer remains in the layer's losses
        return result
    z = z.clone().detach().requires_grad_(True)
    layer(inputs(z))
    layer.losses[0].backward()
    return z.grad.cpu().numpy()


def batch(samples, units, classes, seed=0, relu=True):
    """Return float32 activations of a ReLU layer, and labels whose last class may be absent."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(samples, units)) + 0.3
    z = np.maximum(z, 0) if relu else z
    return z.astype("float32"), rng.integers(0, classes, samples).astype("int32")
