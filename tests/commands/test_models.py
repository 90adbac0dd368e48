"""Realistic models are loaded: shapes are inferred without values, and nothing is rejected."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg.commands.model import ModelFile


def sequential(shape, *inner, **kwargs):
    return keras.Sequential([keras.Input(shape, **kwargs), *inner, layers.Dense(2)])


def nested():
    """Both models are compiled and trained, so their optimizers have variables."""
    model = sequential((8,), keras.Sequential([keras.Input((8,)), layers.Dense(4)], name="backbone"))
    model.layers[0].compile("adam", "mse")
    model.compile("adam", "mse")
    model.fit(np.ones((4, 8)), np.ones((4, 2)), verbose=0)
    return model


def attention():
    start = keras.Input((7, 8))
    z = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(start, start))
    return keras.Model(start, layers.Dense(2)(layers.Bidirectional(layers.LSTM(3))(z)))


def operations():
    start = keras.Input((7, 8))
    return keras.Model(start, layers.Dense(2)(keras.activations.gelu(keras.ops.mean(start * 2 + 1, axis=1))))


def normalization():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).random((10, 5)))
    return sequential((5,), layer)


def quantized():
    model = sequential((16,), layers.Dense(32, activation="relu"))
    for layer in model.layers:
        layer.quantize("int8")
    return model


def deferred():
    """A model that is built by its first call."""
    model = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    model(np.ones((1, 4)))
    return model


def low_rank():
    model = sequential((64,), layers.Dense(64))
    model.layers[0].enable_lora(4)
    return model


REAL = {
    "nested": nested,
    "attention": attention,
    "operations": operations,
    "normalization": normalization,
    "quantized": quantized,
    "deferred": deferred,
    "low rank": low_rank,
    "random": lambda: sequential((8, 8, 3), layers.RandomFlip(), layers.Rescaling(1 / 255), layers.Flatten()),
    "half": lambda: sequential((5,), layers.Dense(300, dtype="mixed_float16")),
    "words": lambda: sequential((4,), layers.Embedding(9, 3), layers.GRU(2), dtype="int32"),
    "steps": lambda: sequential((3, 8, 8, 3), layers.TimeDistributed(layers.Conv2D(3, 3)), layers.Flatten()),
    "application": lambda: keras.applications.ConvNeXtTiny(weights=None, input_shape=(32, 32, 3), classes=2),
}


@pytest.mark.parametrize("kind", REAL)
def test_real_models_are_loaded(kind, tmp_path):
    model = REAL[kind]()
    model.save(tmp_path / "model.keras")
    file = ModelFile(tmp_path / "model.keras")
    shapes = [(v.path.rpartition("/")[2], tuple(v.shape)) for v in model.variables]
    assert [(v.path.rpartition("/")[2], tuple(v.shape)) for v in file.shapes.variables] == shapes
    loaded = file.load()
    # Weights are not compared, because low-rank factors are saved as their product.
    x = np.random.default_rng(0).integers(0, 9, (2, *model.input_shape[1:])).astype(model.inputs[0].dtype)
    found, wanted = (np.asarray(keras.ops.convert_to_numpy(m(x, training=False))) for m in (loaded, model))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
