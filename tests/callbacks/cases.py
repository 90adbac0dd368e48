"""Networks to log, their data, and checks of the logs."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.characteristics import NAMES


def data(samples=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 5)).astype("float32"), rng.integers(0, 3, samples).astype("int32")


def build(penalty=True, **arguments):
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(6, activation="relu", name="second"),
            *([keras_repreg.ClasswiseVarianceRegularization(0.1, name="penalty")] if penalty else []),
            layers.Dense(3, name="logits"),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **arguments)
    return model


def assert_logged(history, model, layer, x, last=-1):
    expected = keras_repreg.measure(model, x, layer)[layer]
    for name in NAMES:
        assert history[f"val_{layer}_{name}"][last] == pytest.approx(expected[name], rel=1e-6), name


def subclassed():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.second = layers.Dense(6, activation="relu", name="second")
            self.logits = layers.Dense(3, name="logits")

        def call(self, x):
            return self.logits(self.second(x))

    model = Mine()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
