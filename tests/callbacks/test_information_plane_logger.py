"""InformationPlaneLogger: keys and values for every kind of validation data."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.information import mutual_information
from keras_repreg.plots import information_plane

OF_INPUT = ("zx", "zx_error", "zx_lower", "zx_upper")
LOGGED = (*OF_INPUT, "zy", "zy_error", "zy_lower", "zy_upper")


def data(samples=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 5)).astype("float32"), rng.integers(0, 3, samples).astype("int32")


def build(**arguments):
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(6, activation="relu", name="second"),
            keras_repreg.ClasswiseVarianceRegularization(0.1),
            layers.Dense(3, name="logits"),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **arguments)
    return model


def output(model, layer, x):
    return keras.Model(model.inputs, model.get_layer(layer).output).predict(x, verbose=0)


def assert_logged(history, logger, model, layer, x, y, last=-1, **arguments):
    expected = mutual_information(output(model, layer, x), y, **arguments)
    point = list(logger.trajectory[layer].values())[last]
    for name in LOGGED:
        value = getattr(expected, name)
        assert history[f"val_{layer}_{name}"][last] == pytest.approx(value, rel=1e-4, abs=1e-5), name
        assert history[f"val_{layer}_{name}"][last] == getattr(point, name)
    assert point.n_samples == len(x)


def test_default_is_all_hidden_layers_on_validation_data():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger()
    history = model.fit(x, y, epochs=3, validation_data=(x[:20], y[:20]), callbacks=[logger], verbose=0).history
    keys = {key for key in history if key.startswith("val_")} - {"val_loss"}
    assert keys == {f"val_{layer}_{name}" for layer in ("first", "second") for name in LOGGED}
    assert list(logger.trajectory) == ["first", "second"]
    assert all(list(points) == [1, 2, 3] for points in logger.trajectory.values())
    for layer in ("first", "second"):
        assert_logged(history, logger, model, layer, x[:20], y[:20])
    assert information_plane(logger.trajectory).axes[0].get_legend_handles_labels()[1] == ["first", "second"]


def test_arguments():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger("logits", noise_variance=0.5, information_unit="bits")
    history = model.fit(x, y, validation_split=0.5, callbacks=[logger], verbose=0).history
    assert_logged(history, logger, model, "logits", x[20:], y[20:], noise_variance=0.5, information_unit="bits")
    assert list(logger.trajectory) == ["logits"]


def test_frequency():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger("first", frequency=2)
    history = model.fit(x, y, epochs=5, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert list(logger.trajectory["first"]) == [2, 4]
    assert len(history["val_first_zx_upper"]) == 2
    own = keras_repreg.InformationPlaneLogger("first", data=(x, y), frequency=3)
    history = model.fit(x, y, epochs=6, callbacks=[own], verbose=0).history
    assert list(own.trajectory["first"]) == [3, 6]
    assert_logged(history, own, model, "first", x, y)


def test_own_data_besides_validation():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger(data=(x[:10], y[:10]))
    arguments = {"validation_data": (x, y), "validation_freq": 2, "verbose": 0}
    history = model.fit(x, y, epochs=3, callbacks=[logger], **arguments).history
    assert list(logger.trajectory["second"]) == [1, 2, 3]
    assert_logged(history, logger, model, "second", x[:10], y[:10])


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_of_either_form(one_hot):
    model, (x, y) = build(), data()
    if one_hot:
        model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    targets = np.eye(3, dtype="float32")[y] if one_hot else y[:, None]
    logger = keras_repreg.InformationPlaneLogger()
    history = model.fit(x, targets, validation_data=(x, targets), callbacks=[logger], verbose=0).history
    assert_logged(history, logger, model, "second", x, y)


def test_max_samples_draws_the_same_samples_each_time():
    model, (x, y) = build(), data()
    x, y = x[np.argsort(y)], np.sort(y)  # sorted, so that the first samples are all of one class
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logger = keras_repreg.InformationPlaneLogger("first", max_samples=12)
    model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[logger], verbose=0)
    one, other = logger.trajectory["first"].values()
    assert one == other
    assert one.n_samples == 12
    assert one.label_entropy > 0.5
    unlimited = keras_repreg.InformationPlaneLogger("first", max_samples=None)
    history = model.fit(x, y, validation_data=(x, y), callbacks=[unlimited], verbose=0).history
    assert_logged(history, unlimited, model, "first", x, y)


def test_max_samples_takes_the_first_samples_of_batches():
    model, (x, y) = build(), data()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return x[10 * i : 10 * i + 10], y[10 * i : 10 * i + 10]

    logger = keras_repreg.InformationPlaneLogger(max_samples=25)
    history = model.fit(x, y, validation_data=Batches(), callbacks=[logger], verbose=0).history
    assert_logged(history, logger, model, "second", x[:25], y[:25])
    assert_logged(history, logger, model, "first", x[:25], y[:25])


def test_datasets():
    tf = pytest.importorskip("tensorflow")
    model, (x, y) = build(), data()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
    logger = keras_repreg.InformationPlaneLogger()
    history = model.fit(
        dataset, validation_data=dataset.repeat(), validation_steps=2, callbacks=[logger], verbose=0
    ).history
    assert_logged(history, logger, model, "second", x[:20], y[:20])


def test_several_targets():
    x, y = data()
    inputs = keras.Input((5,))
    z = layers.Dense(6, activation="relu", name="second")(inputs)
    model = keras.Model(inputs, {"a": layers.Dense(3, name="a")(z), "b": layers.Dense(1, name="b")(z)})
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", {"a": classes, "b": "mse"})
    targets = {"a": y, "b": x[:, :1]}
    logger = keras_repreg.InformationPlaneLogger("second", labels="a")
    history = model.fit(x, targets, validation_data=(x, targets), callbacks=[logger], verbose=0).history
    assert_logged(history, logger, model, "second", x, y)
    unlabelled = keras_repreg.InformationPlaneLogger("second", data=(x, targets))
    unlabelled.set_model(model)
    with pytest.raises(ValueError, match="Received: labels=None"):
        unlabelled.measure((x, targets), 8, None)


def regression():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(6, activation="relu", name="z"), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("given", [None, False])
def test_regression_targets_give_only_information_about_the_input(given):
    model, (x, _) = regression(), data()
    y = x[:, :1] / 3
    y[:10] = 2.0  # regression targets whose first batch contains only whole numbers
    logger = keras_repreg.InformationPlaneLogger(labels=given, batch_size=10)
    arguments = {"validation_data": (x, y), "batch_size": 10, "epochs": 2, "callbacks": [logger], "verbose": 0}
    if given is None:
        with pytest.warns(UserWarning, match="logs only .*, because the targets are not class labels") as warned:
            history = model.fit(x, y, **arguments).history
        assert len([one for one in warned if "class labels" in str(one.message)]) == 1
    else:
        history = model.fit(x, y, **arguments).history
    assert {key for key in history if "_z_" in key} == {f"val_z_{name}" for name in OF_INPUT}
    expected = mutual_information(output(model, "z", x))
    point = logger.trajectory["z"][2]
    assert point.zx == history["val_z_zx"][1] == pytest.approx(expected.zx, rel=1e-4)
    assert point.zy is None
    information_plane(logger.trajectory)


def test_missing_targets_give_only_information_about_the_input():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger("first", data=x)
    history = model.fit(x, y, callbacks=[logger], verbose=0).history
    assert {key for key in history if "_first_" in key} == {f"val_first_{name}" for name in OF_INPUT}
    model.layers[0].kernel.assign(np.full((5, 8), np.nan))
    history = model.fit(x, y, callbacks=[logger], verbose=0).history
    assert {key for key in history if "_first_" in key} == {f"val_first_{name}" for name in OF_INPUT}


def test_named_targets_must_be_class_labels():
    model, (x, _) = regression(), data()
    logger = keras_repreg.InformationPlaneLogger(labels=0, data=(x, [x[:, :1] / 3]))
    with pytest.raises(ValueError, match="Received: "):
        model.fit(x, x[:, :1], callbacks=[logger], verbose=0)


def test_all_positions_of_convolutions_are_used():
    x, y = data()
    model = keras.Sequential(
        [keras.Input((5, 1)), layers.Conv1D(4, 2, activation="relu", name="conv"), layers.Flatten(), layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logger = keras_repreg.InformationPlaneLogger()
    history = model.fit(x[..., None], y, validation_data=(x[..., None], y), callbacks=[logger], verbose=0).history
    assert_logged(history, logger, model, "conv", x[..., None], y)
    assert logger.trajectory["conv"][1].n_units == 16


def test_works_with_the_other_logger_and_changes_nothing():
    weights = []
    for callbacks in ([], [keras_repreg.InformationPlaneLogger(), keras_repreg.CharacteristicsLogger()]):
        keras.utils.set_random_seed(0)
        model, (x, y) = build(), data()
        history = model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=callbacks, verbose=0).history
        weights.append(model.get_weights())
        assert "evaluate" not in vars(model)
    assert {"val_second_zy_lower", "val_second_stable_rank"} <= set(history)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_callbacks_see_the_values_in_any_order():
    model, (x, y) = build(), data()
    seen = []
    before = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_first_zx_upper"]))
    logger = keras_repreg.InformationPlaneLogger()
    model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[before, logger], verbose=0)
    assert seen == [point.zx_upper for point in logger.trajectory["first"].values()]


def test_new_training_starts_a_new_trajectory():
    model, (x, y) = build(), data()
    logger = keras_repreg.InformationPlaneLogger("first")
    model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[logger], verbose=0)
    model.fit(x, y, epochs=4, initial_epoch=2, validation_data=(x, y), callbacks=[logger], verbose=0)
    assert list(logger.trajectory["first"]) == [3, 4]


def test_divergence_is_logged_and_training_continues():
    model, (x, y) = build(), data()
    model.layers[0].kernel.assign(np.full((5, 8), np.nan))
    logger = keras_repreg.InformationPlaneLogger()
    history = model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert np.isnan(history["val_second_zx_upper"]).all()
    assert len(history["loss"]) == 2
    assert logger.trajectory == {"first": {}, "second": {}}


def test_missing_data_warns():
    model, (x, y) = build(), data()
    with pytest.warns(UserWarning, match="validation data"):
        model.fit(x, y, callbacks=[keras_repreg.InformationPlaneLogger()], verbose=0)


def test_layers_that_cannot_be_measured_raise():
    model, (x, y) = build(run_eagerly=True), data()
    logger = keras_repreg.InformationPlaneLogger()
    with pytest.raises(ValueError, match="no targets"):
        model.fit(x, y, callbacks=[keras_repreg.InformationPlaneLogger(data=x, labels=0)], verbose=0)

    def batches():
        while True:
            yield x, y

    with pytest.raises(ValueError, match="generator.*Received: "):
        model.fit(x, y, validation_data=batches(), validation_steps=1, callbacks=[logger], verbose=0)
    with pytest.raises(ValueError, match="Received: 'nowhere'"):
        model.fit(x, y, callbacks=[keras_repreg.InformationPlaneLogger("nowhere")], verbose=0)


@pytest.mark.parametrize(
    "argument",
    [
        {"noise_variance": 0},
        {"information_unit": "dits"},
        {"frequency": 0},
        {"frequency": 1.5},
        {"max_samples": 0},
        {"max_samples": True},
        {"batch_size": -1},
    ],
    ids=str,
)
def test_invalid_arguments_raise(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        keras_repreg.InformationPlaneLogger(**argument)
