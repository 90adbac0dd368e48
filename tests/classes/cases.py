"""Class-wise statistics with their oracles, and gradients of a scalar function on any backend."""

import keras
import numpy as np
from keras import ops

from tests import reference

# Name, method of `Classes`, and the paper's formula for one class with sample weights.
STATISTICS = [
    ("variance", lambda classes, z: classes.variance_sum(z), reference.weighted_vr),
    ("covariance", lambda classes, z: classes.squared_off_diagonal_sum(z), reference.weighted_cr),
    ("holder", lambda classes, z: classes.stable_rank_sum(z, "holder"), reference.weighted_holder_rank),
    ("power", lambda classes, z: classes.stable_rank_sum(z, "power"), reference.weighted_stable_rank),
    ("svd", lambda classes, z: classes.stable_rank_sum(z, "svd"), reference.weighted_stable_rank),
]


def value_and_gradient(function, z):
    """Return the scalar `function(z)` and its gradient as NumPy arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        z = tf.convert_to_tensor(z)
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = function(z)
        return float(value), tape.gradient(value, z).numpy()
    if backend == "jax":
        import jax

        value, gradient = jax.value_and_grad(function)(ops.convert_to_tensor(z))
        return float(value), np.asarray(gradient)
    z = ops.convert_to_tensor(z).clone().detach().requires_grad_(True)
    value = function(z)
    value.backward()
    return float(value.detach()), z.grad.cpu().numpy()
