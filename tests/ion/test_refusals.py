"""Rewrites that no theorem covers raise with the reason and change nothing."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_repreg import ion
from tests.ion.networks import build, functional, nonsingular


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.z, self.next = layers.Dense(6, name="z"), layers.Dense(3, name="next")

    def call(self, x):
        return self.next(self.z(x))


def built(model):
    model(np.zeros((1, 5), "float32"))
    return model


def shared_twice():
    start = keras.Input((5,))
    z = layers.Dense(5, name="z")
    return keras.Model(start, layers.Dense(3, name="next")(z(z(start))))


class MyDense(layers.Dense):
    pass


class OwnCall(keras.Sequential):
    def call(self, x, training=None):
        return ops.relu(super().call(x, training=training))


class OwnGraphCall(keras.Model):
    def __init__(self):
        start = keras.Input((5,))
        z, last = layers.Dense(6, name="z"), layers.Dense(3)
        super().__init__(start, last(z(start)))
        self.z, self.last = z, last

    def call(self, x):
        return self.last(ops.relu(self.z(x)))


def shared_with_a_nested_model():
    start, inner = keras.Input((5,)), keras.Input((5,))
    z = layers.Dense(6, name="z")
    nested = keras.Model(inner, z(inner), name="nested")
    return keras.Model(start, [layers.Dense(3)(z(start)), layers.Dense(2)(nested(start))])


def within_a_nested_model():
    nested = keras.Sequential([keras.Input((5,)), layers.Dense(6, name="z"), layers.Dense(4)], name="nested")
    return keras.Sequential([keras.Input((5,)), nested, layers.Dense(3)])


class Unserializable(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


class Squares(layers.Identity):
    def call(self, x):
        return x**2


class Tied(layers.Layer):
    def __init__(self, layer):
        super().__init__()
        self.tied = layer

    def call(self, x):
        return ops.matmul(x, self.tied.kernel[:3])


def tied_weights():
    z = layers.Dense(6, name="z")
    return keras.Sequential([keras.Input((5,)), z, layers.Dense(3), Tied(z)])


def always_dropping():
    start = keras.Input((5,))
    z = layers.Dropout(0.5, name="drop")(layers.Dense(6, name="z")(start), training=True)
    return keras.Model(start, layers.Dense(3)(z))


def quantized():
    model = build()
    model.get_layer("z").quantize("int8")
    return model


def low_rank(name):
    model = build()
    model.get_layer(name).enable_lora(2)
    return model


def weight_added():
    z, start = layers.Dense(6, name="z"), keras.Input((5,))
    return keras.Model(start, layers.Dense(3)(z(start) + z.bias))


def channels_first():
    pool = layers.GlobalAveragePooling1D(data_format="channels_first", name="pool")
    return keras.Sequential([keras.Input((6, 5)), layers.Dense(6, name="z"), pool, layers.Dense(3)])


def without_configuration():
    start = keras.Input((5,))
    return keras.Model(start, layers.Dense(3)(layers.Dense(6, name="z")(Unserializable(ops.tanh)(start))))


def unknown_positions():
    start = keras.Input((None, 5))
    flat = layers.Flatten()(layers.Dense(6, name="z")(start))
    return keras.Model(start, layers.Lambda(lambda z: ops.sum(z, axis=1, keepdims=True))(flat))


def sum_with_an_input():
    start = keras.Input((6,))
    return keras.Model(start, layers.Dense(3)(layers.Add()([start, layers.Dense(6, name="z")(start)])))


def cross_attention():
    start = keras.Input((4, 5))
    z = layers.Dense(6, name="z")(start)
    return keras.Model(start, layers.MultiHeadAttention(2, 3, name="attention")(z, layers.Dense(6)(start)))


def two_places():
    start = keras.Input((5,))
    z, other = layers.Dense(6, name="z")(start), layers.Dense(6)(start)
    joined = [layers.Concatenate()([z, other]), layers.Concatenate()([other, z])]
    return keras.Model(start, layers.Dense(3)(layers.Add()(joined)))


def repeated_beside():
    start = keras.Input((4, 4, 3))
    z = layers.Conv2D(6, 1, name="z")(start)
    repeated = layers.DepthwiseConv2D(1, depth_multiplier=2, name="repeats")(start)
    return keras.Model(start, layers.Conv2D(3, 1)(layers.Add()([z, repeated])))


def several_outputs():
    start = keras.Input((4, 5))
    z, scores = layers.MultiHeadAttention(2, 3, output_shape=6, name="z")(start, start, return_attention_scores=True)
    return keras.Model(start, [layers.Dense(3)(z), layers.Dense(2)(scores)])


def array_added():
    start = keras.Input((5,))
    return keras.Model(start, layers.Dense(3)(layers.Dense(6, name="z")(start) + np.arange(6.0, dtype="float32")))


REFUSED = {
    "activation": (lambda: build(), "first", "Theorem 2|linear layer"),
    "unknown activation": (lambda: build(between=[layers.Activation(ops.sin, name="sin")]), "z", "activation 'sin'"),
    "not dense": (lambda: build(between=[layers.Dropout(0.1, name="drop")]), "drop", "type Dropout"),
    "nonlinearity between": (lambda: build(between=[layers.ReLU(name="relu")]), "z", "'relu' of type ReLU"),
    "activation between": (lambda: build(between=[layers.Activation("tanh", name="t")]), "z", "type Activation"),
    "normalisation between": (lambda: build(between=[layers.BatchNormalization()]), "z", "fold_batch_norm"),
    "output layer": (lambda: build(activation=None), "next", "output of the model"),
    "branch by an operation": (lambda: functional(lambda z: ops.sin(z)), "z", "type Sin"),
    "skip connection": (lambda: functional(lambda z: layers.Add()([z, z])), "z", "output of the model"),
    "sum with an input": (sum_with_an_input, "z", "type InputLayer"),
    "an array added": (lambda: array_added(), "z", "one constant for all units"),
    "output and hidden": (lambda: functional(lambda z: z), "z", "output of the model"),
    "cross-attention": (cross_attention, "z", "'attention' to take one tensor"),
    "two places": (two_places, "z", "several places in the output of 'concatenate"),
    "repeated beside": (repeated_beside, "z", "repeated or computed from others by 'repeats'"),
    "several outputs": (several_outputs, "z", "one output. Received: 'z'"),
    "shared layer": (shared_twice, "z", "shared layer 'z'"),
    "shared consumer": (lambda: functional(reuse=True), "z", "shared layer 'next'"),
    "subclassed": (lambda: built(Subclassed()), "z", "Subclassed"),
    "no bias": (lambda: build(use_bias=False), "z", "'z' with use_bias=False"),
    "subclass of Dense": (
        lambda: keras.Sequential([keras.Input((5,)), MyDense(6, name="z"), layers.Dense(3)]), "z", "type MyDense",
    ),
    "own call": (
        lambda: OwnCall([keras.Input((5,)), layers.Dense(6, name="z"), layers.Dense(3)]), "z", "OwnCall",
    ),
    "own call of a graph": (OwnGraphCall, "z", "OwnGraphCall"),
    "shared with a nested model": (shared_with_a_nested_model, "z", "shared layer 'z'"),
    "within a nested model": (within_a_nested_model, "z", "pass that model"),
    "subclass of an identity": (lambda: build(between=[Squares(name="squares")]), "z", "type Squares"),
    "tied weights": (tied_weights, "z", "shared layer 'z'"),
    "called with training=True": (always_dropping, "z", "training=True"),
    "quantized": (quantized, "z", "'z' of type Dense quantized"),
    "low-rank adaptation": (lambda: low_rank("z"), "z", "'z' of type Dense .*LoRA"),
    "low-rank adaptation after": (lambda: low_rank("next"), "z", "'next' of type Dense .*LoRA"),
    "a weight added": (weight_added, "z", "one constant for all units|Cannot serialize"),
    "channels first": (channels_first, "z", "channels_first"),
    "unknown number of positions": (unknown_positions, "z", "unknown number of positions"),
    "without configuration": (without_configuration, "z", "configuration"),
    "no such layer": (lambda: build(), "nowhere", "'nowhere'"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED, ids=str)
@pytest.mark.parametrize("surgery", ["transform", "whiten"])
def test_refusals_change_nothing(why, surgery):
    make, layer, message = REFUSED[why]
    model = make()
    before = model.get_weights()
    units = {"shared layer": 5, "activation": 7}.get(why, 6)
    x = np.random.default_rng(0).normal(size=(30, 5)).astype("float32")
    arguments = (np.eye(units) * 2, np.ones(units)) if surgery == "transform" else (x,)
    with pytest.raises(ValueError, match=message):
        getattr(ion, surgery)(model, layer, *arguments)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert ion.rewrites(model) == []


@pytest.mark.parametrize(
    ("q", "m", "message"),
    [
        (np.eye(5), None, r"shape \(6, 6\)"),
        (np.eye(6) * np.nan, None, "finite"),
        (np.zeros((6, 6)), None, "nonsingular"),
        (np.ones((6, 6)), None, "nonsingular"),
        (np.diag([1, 1, 1, 1, 1, 1e-9]), None, "nonsingular"),
        ("Q", None, "Received: q='Q'"),
        (np.eye(6), np.ones(5), r"shape \(6,\)"),
        (np.eye(6), [np.inf] * 6, "finite"),
        (np.diag([1e39, 1, 1, 1, 1, 1]), None, "nonsingular"),
        (np.eye(6) * 1e39, None, "range of float32"),
        (np.eye(6) * 1j, None, "array of numbers"),
    ],
    ids=range(11),
)
def test_invalid_matrices_raise_and_change_nothing(q, m, message):
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        ion.transform(model, "z", q, m)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_invalid_types_raise():
    with pytest.raises(TypeError, match="Received: 'model'"):
        ion.transform("model", "z", np.eye(6))
    with pytest.raises(TypeError, match="Received: 1"):
        ion.transform(build(), 1, np.eye(6))


def test_unbuilt_model_raises():
    model = keras.Sequential([layers.Dense(6, name="z"), layers.Dense(3)])
    with pytest.raises(ValueError, match="built"):
        ion.transform(model, "z", np.eye(6))


def tied_in_a_lambda():
    z, start = layers.Dense(6, name="z"), keras.Input((5,))
    hidden = layers.Dense(6, name="code")(z(start))
    decoded = layers.Lambda(lambda h: ops.matmul(h, ops.transpose(z.kernel)), output_shape=(5,))(hidden)
    return keras.Model(start, decoded)


def test_hidden_kernel_use_is_detected_on_random_inputs():
    model = tied_in_a_lambda()
    before = model.get_weights()
    for data in (None, np.random.default_rng(0).normal(size=(20, 5)).astype("float32")):
        with pytest.raises(RuntimeError, match="weights have been restored"):
            ion.transform(model, "z", nonsingular(6, 5, 0), data=data)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert ion.rewrites(model) == []


def test_values_beyond_half_precision_raise():
    model = build(dtype="mixed_float16")
    before = model.get_weights()
    with pytest.raises(ValueError, match="range of float16"):
        ion.transform(model, "z", np.eye(6) * 1e7)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
