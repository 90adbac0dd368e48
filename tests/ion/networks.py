"""Small networks to rewrite, and the values to compare."""

import keras
import numpy as np
from keras import layers, ops


def representation(model, x, name="z"):
    return ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(name).output)(x)).astype("float64")


def output(model, x):
    return ops.convert_to_numpy(model(x, training=False)).astype("float64")


def build(units=6, inputs=5, between=(), dtype="float32", use_bias=True, activation="softmax"):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(7, activation="relu", dtype=dtype, name="first"),
            layers.Dense(units, name="z", dtype=dtype, bias_initializer="normal" if use_bias else None,
                         use_bias=use_bias),
            *between,
            layers.Dense(3, name="next", activation=activation, dtype=dtype),
        ]
    )  # fmt: skip


def nonsingular(units, condition, seed):
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(units, units)))[0] for _ in range(2))
    return (u * np.geomspace(1, 1 / condition, units)) @ v


def functional(branch=None, reuse=False):
    start = keras.Input((5,))
    z = layers.Dense(6, name="z")(start)
    last = layers.Dense(3, name="next")
    outputs = [last(layers.Dropout(0.1)(z))]
    if branch is not None:
        outputs.append(branch(z))
    if reuse:
        outputs.append(last(layers.Dense(6, name="elsewhere")(start)))
    return keras.Model(start, outputs)
