"""Characteristics of models: all kinds of models and data, in one pass."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_repreg
from keras_repreg import seam
from keras_repreg.characteristics import NAMES, passes
from keras_repreg.characteristics.selection import regularized_layers


def inputs(samples=50):
    return np.random.default_rng(0).normal(size=(samples, 5)).astype("float32")


def sequential():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="rectified"),
            layers.Dropout(0.5),
            layers.Dense(6, name="linear"),
            layers.ReLU(name="relu"),
            keras_repreg.CovarianceRegularization(name="penalty"),
            layers.Dense(3, name="logits"),
            layers.Activation("softmax", name="softmax"),
        ]
    )


def activations(model, name, x):
    return ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(name).output)(x))


def assert_close(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_default_layers_are_hidden_and_relu_sets_positive_only():
    model, x = sequential(), inputs()
    found = keras_repreg.measure(model, x, batch_size=7)
    assert list(found) == ["rectified", "linear", "relu", "logits"]  # the softmax layer is the output
    for name, positive_only in (("rectified", True), ("linear", False), ("relu", True)):
        expected = keras_repreg.characterize(activations(model, name, x), positive_only=positive_only)
        assert_close(found[name], expected)


def test_penalty_layer_is_measured_on_its_output():
    model, x = sequential(), inputs()
    found = keras_repreg.measure(model, x, ["penalty", model.get_layer("relu")])
    assert_close(found["penalty"], found["relu"])
    forced = keras_repreg.measure(model, x, "linear", positive_only=True)["linear"]
    assert_close(forced, keras_repreg.characterize(activations(model, "linear", x)))


def test_all_kinds_of_data_give_the_same_result():
    model, x = sequential(), inputs()
    y = np.zeros(len(x))
    expected = keras_repreg.measure(model, x)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return x[10 * index : 10 * index + 10], y[10 * index : 10 * index + 10]

    kinds = {
        "tuple": (x, y),
        "with weights": (x, y, y),
        "tensor": ops.convert_to_tensor(x),
        "generator": ((x[i : i + 9], y[i : i + 9]) for i in range(0, 50, 9)),
        "PyDataset": Batches(),
    }
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        kinds["Dataset"] = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    for kind, data in kinds.items():
        for name, found in keras_repreg.measure(model, data).items():
            assert_close(found, expected[name]), kind


def test_steps_limit_the_batches():
    model, x = sequential(), inputs()
    found = keras_repreg.measure(model, x, "relu", batch_size=10, steps=2)
    assert_close(found["relu"], keras_repreg.measure(model, x[:20], "relu")["relu"])


def test_functional_model_with_branches_and_subclassed_model():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(7, activation="relu", name="hidden")
            self.logits = layers.Dense(3, name="logits")

        def call(self, x):
            return self.logits(self.hidden(x))

    x = inputs()
    mine = Mine()
    mine(x)
    start = keras.Input((5,))
    left, right = layers.Dense(7, activation="relu", name="left")(start), layers.Dense(7, name="right")(start)
    model = keras.Model(start, layers.Dense(3)(layers.Add(name="sum")([left, right])))
    assert list(keras_repreg.measure(mine, x)) == ["hidden"]
    assert list(keras_repreg.measure(model, x)) == ["left", "right", "sum"]


def test_channels_of_convolutions_are_units():
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="relu", name="conv"),
                              layers.Flatten(), layers.Dense(2)])  # fmt: skip
    x = np.random.default_rng(0).normal(size=(10, 6, 6, 1)).astype("float32")
    found = keras_repreg.measure(model, x)
    assert list(found) == ["conv"]
    assert_close(found["conv"], keras_repreg.characterize(activations(model, "conv", x)))


def test_units_of_convolutions_are_channels_or_all_positions():
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="relu", name="conv"),
                              layers.Flatten(), layers.Dense(2)])  # fmt: skip
    x = np.random.default_rng(0).normal(size=(10, 6, 6, 1)).astype("float32")
    y = np.arange(10) % 2
    z = activations(model, "conv", x)
    for units in ("channels", "flatten"):
        found = keras_repreg.measure(
            model, (x, y), "conv", units=units, characteristics="all", labels=True, batch_size=3
        )
        expected = keras_repreg.characterize(z, y, units=units, characteristics="all")
        assert len(found["conv"]["spectrum"]) == {"channels": 4, "flatten": 64}[units]
        assert_close(found["conv"], expected)
    with pytest.raises(ValueError, match="Received: units='rows'"):
        keras_repreg.measure(model, x, units="rows")


def test_channels_first():
    class Transposed(layers.Layer):
        data_format = "channels_first"

        def call(self, x):
            return ops.transpose(x, (0, 3, 1, 2))

    start = keras.Input((3, 3, 2))
    model = keras.Model(start, layers.Dense(2)(layers.Flatten()(Transposed(name="first")(start))))
    x = np.random.default_rng(0).normal(size=(10, 3, 3, 2)).astype("float32")
    found = keras_repreg.measure(model, x, "first")["first"]
    assert_close(found, keras_repreg.characterize(x, positive_only=False))


def test_positions_of_sequences_are_samples():
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layers.Embedding(5, 3, name="embedding"),
                              layers.LSTM(4, return_sequences=True, name="lstm"), layers.Dense(2)])  # fmt: skip
    x = np.random.default_rng(0).integers(0, 5, (12, 7))
    found = keras_repreg.measure(model, x, batch_size=5, units="flatten")
    expected = keras_repreg.characterize(activations(model, "lstm", x).reshape(12, 28), positive_only=False)
    assert_close(found["lstm"], expected)


def test_labels_from_arrays_and_targets():
    model, x = sequential(), inputs()
    y = np.arange(50) % 3
    wanted = ["within_class_variance", "nc1"]
    expected = keras_repreg.characterize(activations(model, "relu", x), y, characteristics=wanted)
    one_hot = np.eye(3, dtype="float32")[y]
    for data, labels in [
        ((x, y), None),
        ((x, one_hot), True),
        (x, y),
        (x, one_hot),
        ((x, {"digit": y, "other": x}), "digit"),
        ((x, (x, y)), 1),
        (((x[i : i + 9], y[i : i + 9]) for i in range(0, 50, 9)), True),
    ]:
        found = keras_repreg.measure(model, data, "relu", labels=labels, characteristics=wanted, batch_size=20)
        assert_close(found["relu"], expected)
    added = keras_repreg.measure(model, (x, y), "relu", labels=True)["relu"]
    assert set(added) == {*NAMES, "within_class_variance", "between_class_variance"}


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (inputs(), None, "no targets"),
        ((inputs(), {"a": np.ones(50), "b": np.ones(50)}), None, "Received: labels=None"),
        ((inputs(), {"a": np.ones(50), "b": np.ones(50)}), "c", "Received: labels='c'"),
        (inputs(), np.ones(49), "49 labels"),
        (inputs(), np.ones(51), "51 labels"),
        (inputs(), 2.5, "Received: 2.5"),
        ((inputs(), inputs()[:, 0]), None, "class ids"),
    ],
    ids=["none", "several", "unknown", "too few", "too many", "number", "regression"],
)
def test_labels_of_wrong_shape_raise(data, labels, message):
    with pytest.raises(ValueError, match=message):
        keras_repreg.measure(sequential(), data, labels=labels, characteristics="nc1", batch_size=16)


def test_several_inputs_by_name():
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    sum_ = layers.Add(name="sum")([left, right])
    model = keras.Model({"left": left, "right": right}, layers.Dense(2)(sum_))
    x = inputs()
    found = keras_repreg.measure(model, {"left": x, "right": 2 * x}, "sum", batch_size=8)
    assert_close(found["sum"], keras_repreg.characterize(3 * x, positive_only=False))


def test_pooled_and_flattened_relus_use_positive_values():
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation=layers.ReLU()),
                              layers.MaxPool2D(name="pool"), layers.Flatten(name="flat"), layers.Dense(2)])  # fmt: skip
    x = np.random.default_rng(0).normal(size=(10, 6, 6, 1)).astype("float32")
    found = keras_repreg.measure(model, x, ["pool", "flat"])
    for name in ("pool", "flat"):
        assert_close(found[name], keras_repreg.characterize(activations(model, name, x), positive_only=True))


def test_structured_outputs_are_measured_by_their_parts():
    class Named(layers.Layer):
        def call(self, x):
            return {"a": x, "b": x}

    start = keras.Input((4, 5))
    z, *_ = layers.LSTM(3, return_state=True, name="lstm")(start)
    model = keras.Model(start, layers.Dense(2, name="dense")(Named(name="named")(z)["a"]))
    x = np.random.default_rng(0).normal(size=(10, 4, 5)).astype("float32")
    expected = ops.convert_to_numpy(model.get_layer("lstm")(x)[0])
    assert_close(
        keras_repreg.measure(model, x, "lstm")["lstm"], keras_repreg.characterize(expected, positive_only=False)
    )
    table = keras_repreg.measure(model, x, ["named", "lstm/1", "lstm/2"])
    assert list(table) == ["lstm/1", "lstm/2", "named/a", "named/b"]
    assert table["named/a"] == table["named/b"] == keras_repreg.measure(model, x, "named/a")["named/a"]
    states = ops.convert_to_numpy(model.get_layer("lstm")(x)[1])
    assert_close(table["lstm/1"], keras_repreg.characterize(states, positive_only=False))
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\]. Received: 'c'"):
        keras_repreg.measure(model, x, "named/c")
    for name in ("lstm/3", "dense/a", "nothing/a"):
        with pytest.raises(ValueError, match=f"Received: '{name}'"):
            keras_repreg.measure(model, x, name)


def test_layers_without_configuration_are_measured():
    class Scale(layers.Layer):
        def __init__(self, function):
            super().__init__(name="scale")
            self.function = function

        def call(self, x):
            return self.function(x)

    start = keras.Input((5,))
    model = keras.Model(start, layers.Dense(2)(layers.Dense(4, name="h")(Scale(ops.tanh)(start))))
    assert set(keras_repreg.measure(model, inputs())) == {"scale", "h"}


def test_layers_of_a_nested_model_by_name():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu", name="inner")], name="encoder")
    model = keras.Sequential([keras.Input((5,)), inner, layers.Dense(2)])
    x = inputs()
    expected = keras_repreg.characterize(inner(x))
    assert_close(keras_repreg.measure(model, x, "inner")["inner"], expected)
    assert list(keras_repreg.measure(model, x)) == ["encoder"]


def test_wide_layer_with_small_batches():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(64, activation="relu", name="wide"), layers.Dense(2)])
    x = inputs()
    expected = keras_repreg.characterize(activations(model, "wide", x))
    assert_close(keras_repreg.measure(model, x, batch_size=3)["wide"], expected)


def test_measuring_changes_nothing():
    model, x = sequential(), inputs()
    before = model.get_weights()
    keras_repreg.measure(model, x)
    assert all("call" not in vars(layer) for layer in model.layers)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="NaN"):
        keras_repreg.measure(model, np.full((4, 5), np.nan, "float32"))
    assert all("call" not in vars(layer) for layer in model.layers)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("model", inputs()), TypeError, "Received: 'model'"),
        ((None, inputs(), "nowhere"), ValueError, "'rectified'.*Received: 'nowhere'"),
        ((None, inputs(), 3), TypeError, "Received: 3"),
        ((None, inputs(), [np.arange(3)]), TypeError, r"Received: an array of shape \(3,\)"),
        (
            (None, inputs(), np.arange(3)),
            TypeError,
            r"targets are passed with the inputs.*Received: an array of shape \(3,\)",
        ),
        ((None, None), ValueError, "Received: None"),
        ((None, 5), ValueError, "Received: 5"),
        ((None, "abc"), ValueError, "Received: 'abc'"),
        ((None, []), ValueError, r"Received: \[\]"),
        ((None, (inputs(), np.zeros(3))), ValueError, r"lengths \[3, 50\]"),
        ((None, iter([])), ValueError, "at least one batch"),
    ],
    ids=["model", "name", "layer", "array in list", "array", "none", "number", "text", "list", "lengths", "empty"],
)
def test_invalid_input_raises(arguments, error, message):
    model, *rest = arguments
    with pytest.raises(error, match=message):
        keras_repreg.measure(model or sequential(), *rest)


def test_model_without_hidden_layers_raises():
    with pytest.raises(ValueError, match="hidden layers"):
        keras_repreg.measure(keras.Sequential([keras.Input((5,)), layers.Dense(3)]), inputs())


def test_large_layers_are_measured_in_several_passes(monkeypatch):
    model, x = sequential(), inputs()
    labels = np.arange(len(x)) % 3
    expected = keras_repreg.measure(model, x, labels=labels, characteristics="all")
    monkeypatch.setattr(passes, "BUDGET", 1)
    calls = []
    with seam.tapped([model.layers[0]], lambda *arguments: calls.append(arguments)):
        found = keras_repreg.measure(model, x, labels=labels, characteristics="all")
        assert len(calls) == len(found) == 4
        keras_repreg.measure(model, iter([(x, labels)]))  # an iterator that can be read only once
        assert len(calls) == 5
    assert list(found) == list(expected)
    assert found.samples == expected.samples
    for layer, values in expected.items():
        assert_close(found[layer], values)


def test_several_passes_find_nonfinite_values(monkeypatch):
    monkeypatch.setattr(passes, "BUDGET", 1)
    model = sequential()
    model.get_layer("linear").bias.assign(np.full(6, np.inf))
    with pytest.raises(ValueError, match="finite activations. Received: NaN or infinite values in layers .'linear'"):
        keras_repreg.measure(model, inputs())


def test_penalties_of_nested_models_are_found():
    inner = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, name="z"), keras_repreg.RankRegularization(0.1, name="penalty")]
    )
    model = keras.Sequential([keras.Input((5,)), inner, layers.Dense(2)])
    assert [source.name for source in regularized_layers(model)] == ["z"]
    assert regularized_layers(keras.Sequential([keras.Input((5,)), layers.Dense(2)])) == []


def test_share_between_classes_of_constant_and_separating_units():
    x = np.array([[0.0, 7.0], [0.0, 7.0], [1.0, 7.0], [1.0, 7.0]], "float32")
    model = keras.Sequential([keras.Input((2,)), layers.Identity(name="z"), layers.Dense(2)])
    table = keras_repreg.measure_units(model, x, "z", [0, 0, 1, 1])
    assert [table[unit]["between_share"] for unit in (0, 1)] == [1, 0]
    assert [table[unit]["favourite_class"] for unit in (0, 1)] == [1, None]
    assert [table[unit]["most_correlated"] for unit in (0, 1)] == [None, None]


def test_two_samples_define_the_most_correlated_unit():
    x = np.array([[0.0, 1.0, 5.0], [1.0, 3.0, 5.0]], "float32")
    model = keras.Sequential([keras.Input((3,)), layers.Identity(name="z"), layers.Dense(2)])
    table = keras_repreg.measure_units(model, x, "z", positive_only=False)
    assert [table[unit]["most_correlated"] for unit in range(3)] == [1, 0, None]
    assert table[0]["correlation"] == pytest.approx(1)
