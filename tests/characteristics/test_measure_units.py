"""The units of a layer of a model, and the batch size of forward passes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_repreg
from keras_repreg.characteristics import Characteristics, batch_size, measure, measure_units
from keras_repreg.characteristics.batch_size import can_split, suitable_batch_size
from keras_repreg.characteristics.single_units import PER_UNIT


def network():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.Dense(6, name="linear"),
            layers.Dense(3, name="logits"),
        ]
    )


def inputs():
    return np.random.default_rng(0).normal(size=(50, 5)).astype("float32")


@pytest.mark.parametrize(("name", "positive_only"), [("hidden", True), ("linear", False)])
def test_table_matches_the_layer_activations(name, positive_only):
    model, x, y = network(), inputs(), np.arange(50) % 3
    z = ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(name).output)(x))
    accumulator = Characteristics(positive_only, [*PER_UNIT, "within_class_variance"])
    accumulator.update(z, y)
    expected = accumulator.units()
    for found in (
        measure_units(model, x, name, labels=y, batch_size=7),
        measure_units(model, (x, y), model.get_layer(name), labels=True),
    ):
        assert list(found) == list(expected)
        for unit, row in expected.items():
            for column, value in row.items():
                if isinstance(value, float):
                    assert found[unit][column] == pytest.approx(value, rel=1e-4, abs=1e-6), column
                else:
                    assert found[unit][column] == value, column
    without = measure_units(model, x, name)
    assert "favourite_class" not in without.columns
    assert len(measure_units(model, x, name, steps=1, batch_size=20)) == len(expected)


def test_flattened_positions_are_units():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(2)]
    )
    x = np.random.default_rng(0).normal(size=(20, 4, 4, 1)).astype("float32")
    assert len(measure_units(model, x, "conv")) == 2
    assert len(measure_units(model, x, "conv", units="flatten")) == 8


@pytest.mark.parametrize("layer", [None, ["hidden"], ("hidden", "linear")])
def test_exactly_one_layer_is_required(layer):
    with pytest.raises(ValueError, match="a single layer or its name. Received: layer="):
        measure_units(network(), inputs(), layer)


def image_network():
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv"),
            layers.GlobalMaxPool2D(name="pool"),
            layers.Dense(2),
        ]
    )


def test_large_layers_use_smaller_batches():
    assert suitable_batch_size(network()) == 1024
    images = image_network()
    assert suitable_batch_size(images) == 511  # 131,106 numbers per sample
    deep = keras.Sequential([keras.Input((64, 64, 3)), *(layers.Conv2D(32, 3, padding="same") for _ in range(2))])
    assert suitable_batch_size(deep) == 256
    nested = keras.Sequential([keras.Input((64, 64, 3)), deep, layers.Flatten(), layers.Dense(2)])
    assert suitable_batch_size(nested) == 127  # including the outputs of the nested model and the flattening layer
    assert suitable_batch_size(keras.Sequential([keras.Input((None, 4)), layers.LSTM(8)])) == 256
    assert suitable_batch_size(keras.Sequential([keras.Input((8192, 8192, 1)), layers.Conv2D(2, 1)])) == 1

    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(3)

        def call(self, x):
            return self.hidden(x)

    assert suitable_batch_size(Mine()) == 256
    start = keras.Input((4,))
    assert suitable_batch_size(keras.Model(start, Mine()(start))) == 256


def test_large_batches_are_split(monkeypatch):
    model = image_network()
    x = np.random.default_rng(0).normal(size=(10, 64, 64, 3)).astype("float32")
    y = np.arange(10) % 3
    expected = measure(model, (x, y), "conv", labels=True)["conv"]
    monkeypatch.setattr(batch_size, "BUDGET", 4 * 131_200 * 3)
    seen = []
    monkeypatch.setattr(model, "call", lambda z, call=model.call, **kwargs: seen.append(len(z)) or call(z, **kwargs))
    for data in ((x, y), iter([(x[:7], y[:7]), (x[7:], y[7:])])):
        found = measure(model, data, "conv", labels=True)["conv"]
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-5), name
    assert seen == [3, 3, 3, 1, 3, 3, 1, 3]
    assert measure(model, x, "conv", batch_size=4, steps=1).samples["conv"] == 4 * 64 * 64


def test_fixed_batch_size_or_state_is_respected():
    assert can_split(network())
    assert not can_split(keras.Sequential([keras.Input(batch_shape=(4, 5)), layers.Dense(2)]))
    assert not can_split(keras.Sequential([keras.Input(batch_shape=(4, 5, 2)), layers.LSTM(2, stateful=True)]))
    inner = keras.Sequential([keras.Input((5, 2)), layers.LSTM(2)])
    inner.layers[0].stateful = True
    assert not can_split(keras.Sequential([keras.Input((5, 2)), inner]))


def test_layer_returning_a_tuple_of_one():
    class Single(layers.Layer):
        def call(self, x):
            return (2 * x,)

    start = keras.Input((5,))
    (z,) = Single(name="single")(start)
    model = keras.Model(start, layers.Dense(2)(z))
    found = measure(model, inputs(), "single", characteristics=["mean", "variance"])["single"]
    assert found["mean"] == pytest.approx(2 * inputs().mean(), rel=1e-4)


@pytest.mark.parametrize("data", [np.float32(3), np.array(3.0), [np.array(1.0)]], ids=["scalar", "rank 0", "list"])
def test_scalars_raise(data):
    with pytest.raises(ValueError, match="Received: "):
        measure(network(), data)


def test_batch_size_does_not_matter():
    # A linear layer whose first batches may have only positive values.
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="linear"), layers.Dense(1)])
    model.get_layer("linear").set_weights([np.eye(2), np.zeros(2)])
    x = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    x[:4] = np.abs(x[:4])
    expected = measure(model, x, batch_size=60)["linear"]
    for size in (1, 4, 7):
        found = measure(model, x, batch_size=size)["linear"]
        assert found == {name: pytest.approx(value, rel=1e-5) for name, value in expected.items()}
    logged = keras_repreg.CharacteristicsLogger("linear", data=x, batch_size=4, chance=True)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(x, x[:, :1], callbacks=[logged], verbose=0).history
    assert history["val_linear_correlation"][0] == pytest.approx(expected["correlation"], rel=1e-5)
    assert history["val_linear_correlation_at_chance"][0] != history["val_linear_correlation"][0]
    table = measure(model, x, chance=True)
    assert "correlation_at_chance" in repr(table)
