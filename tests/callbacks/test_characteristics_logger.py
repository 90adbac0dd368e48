"""CharacteristicsLogger: keys and values for every kind of validation data."""

import pickle
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.characteristics import NAMES
from tests.callbacks.cases import assert_logged, build, data


def test_default_layers_are_the_regularized_ones_on_validation_data():
    model, (x, y) = build(), data()
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, y, epochs=3, validation_data=(x[:20], y[:20]), callbacks=[logger], verbose=0).history
    logged = {key for key in history if key.startswith("val_") and key != "val_loss"}
    assert logged == {f"val_second_{name}" for name in NAMES}
    assert all(len(history[key]) == 3 for key in logged)
    assert_logged(history, model, "second", x[:20])


def test_default_layers_without_penalties_are_all_hidden_layers():
    model, (x, y) = build(penalty=False), data()
    history = model.fit(
        x, y, validation_split=0.25, callbacks=[keras_repreg.CharacteristicsLogger()], verbose=0
    ).history
    assert len([key for key in history if key.startswith("val_")]) == 1 + 2 * len(NAMES)
    assert_logged(history, model, "first", x[30:])


@pytest.mark.parametrize("penalty_first", [True, False])
def test_selected_layers_only(penalty_first):
    model, (x, y) = build(penalty_first), data()
    logger = keras_repreg.CharacteristicsLogger(layers=["first", model.get_layer("logits")])
    history = model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert_logged(history, model, "first", x)
    assert_logged(history, model, "logits", x)


def test_own_data_without_validation():
    model, (x, y) = build(), data()
    logger = keras_repreg.CharacteristicsLogger(data=(x[:10], y[:10]))
    history = model.fit(x, y, epochs=2, callbacks=[logger], verbose=0).history
    assert_logged(history, model, "second", x[:10])
    assert len(history["val_second_rank"] if "val_second_rank" in history else history["val_second_stable_rank"]) == 2


def test_own_data_besides_validation_every_second_epoch():
    model, (x, y) = build(), data()
    logger = keras_repreg.CharacteristicsLogger(data=x[:10])
    history = model.fit(
        x, y, epochs=4, validation_data=(x, y), validation_freq=2, callbacks=[logger], verbose=0
    ).history
    assert len(history["val_second_sparsity"]) == 4
    assert len(history["val_loss"]) == 2
    assert_logged(history, model, "second", x[:10])


def test_datasets():
    tf = pytest.importorskip("tensorflow")
    model, (x, y) = build(), data()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(
        dataset, validation_data=dataset.repeat(), validation_steps=2, callbacks=[logger], verbose=0
    ).history
    assert_logged(history, model, "second", x[:20])


def test_other_callbacks_see_the_values_in_any_order(tmp_path):
    model, (x, y) = build(), data()

    class Seen(keras.callbacks.Callback):
        keys = ()

        def on_epoch_end(self, epoch, logs=None):
            self.keys = set(logs)

    before = Seen()
    callbacks = [
        before,
        keras.callbacks.EarlyStopping(monitor="val_second_stable_rank", patience=0, min_delta=1e9, mode="min"),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.ModelCheckpoint(
            str(tmp_path / "best.keras"), monitor="val_second_dead_units", mode="min", save_best_only=True
        ),
        keras_repreg.CharacteristicsLogger(),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Keras warns of a missing metric
        history = model.fit(x, y, epochs=5, validation_data=(x, y), callbacks=callbacks, verbose=0).history
    assert "val_second_stable_rank" in before.keys
    assert len(history["loss"]) < 5  # EarlyStopping found its metric, which never improved by min_delta
    assert "val_second_amplitude" in (tmp_path / "log.csv").read_text()
    assert (tmp_path / "best.keras").exists()


def test_evaluate_is_restored_after_training_and_after_an_exception():
    model, (x, y) = build(), data()

    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("stop")

    one, other = keras_repreg.CharacteristicsLogger(), keras_repreg.CharacteristicsLogger(layers="first")
    arguments = {"validation_data": (x, y), "verbose": 0}
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(x, y, callbacks=[one, other, Fails()], **arguments)
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    assert "val_first_rank" not in model.fit(x, y, **arguments).history
    history = model.fit(x, y, callbacks=[other, one], **arguments).history
    assert_logged(history, model, "first", x)
    assert_logged(history, model, "second", x)
    assert "evaluate" not in vars(model)


def test_logging_does_not_change_training():
    weights = []
    for callbacks in ([], [keras_repreg.CharacteristicsLogger()]):
        keras.utils.set_random_seed(0)
        model, (x, y) = build(), data()
        model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=callbacks, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_data_warns():
    model, (x, y) = build(), data()
    with pytest.warns(UserWarning, match="validation data"):
        model.fit(x, y, callbacks=[keras_repreg.CharacteristicsLogger()], verbose=0)


@pytest.mark.parametrize("own", [True, False])
def test_chosen_characteristics_of_classes_and_a_spectrum(own):
    model, (x, y) = build(), data()
    wanted = ["nc1", "within_class_variance", "spectrum", "effective_rank"]
    logger = keras_repreg.CharacteristicsLogger("second", (x, y) if own else None, wanted)
    history = model.fit(x, y, epochs=2, validation_data=(x, y), batch_size=16, callbacks=[logger], verbose=0).history
    expected = keras_repreg.measure(model, (x, y), "second", characteristics=wanted)["second"]
    logged = {key.removeprefix("val_second_") for key in history if key.startswith("val_second")}
    assert logged == {*wanted} - {"spectrum"}  # the spectrum is an array, so it is kept in the history:
    np.testing.assert_allclose(logger.tables[2]["second"]["spectrum"], expected["spectrum"], rtol=1e-4, atol=1e-7)
    for name in logged:
        assert history[f"val_second_{name}"][-1] == pytest.approx(expected[name], rel=1e-4), name


def test_model_made_label_aware_stays_label_aware():
    model, (x, y) = keras.Sequential(build().layers), data()
    model = keras_repreg.label_aware(model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(
        x, y, validation_data=(x, y), callbacks=[keras_repreg.CharacteristicsLogger()], verbose=0
    ).history
    assert_logged(history, model, "second", x)
    assert not {"test_step", "evaluate"} & set(vars(model))
    assert type(model) is keras_repreg.Sequential


def test_labels_from_one_of_several_targets():
    x, y = data()
    start = keras.Input((5,))
    z = layers.Dense(6, activation="relu", name="second")(start)
    model = keras.Model(start, {"digit": layers.Dense(3, name="digit")(z), "size": layers.Dense(1, name="size")(z)})
    loss = {"digit": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"}
    model.compile("sgd", loss)
    targets = {"digit": y, "size": x[:, :1]}
    logger = keras_repreg.CharacteristicsLogger("second", characteristics="nc1", labels="digit")
    history = model.fit(x, targets, validation_data=(x, targets), callbacks=[logger], verbose=0).history
    expected = keras_repreg.measure(model, (x, y), "second", characteristics="nc1")["second"]["nc1"]
    assert history["val_second_nc1"] == [pytest.approx(expected, rel=1e-4)]
    wrong = keras_repreg.CharacteristicsLogger("second", characteristics="nc1")
    with pytest.raises(ValueError, match="Received: labels=None"):
        model.fit(x, targets, validation_data=(x, targets), callbacks=[wrong], verbose=0)


def test_every_second_epoch():
    model, (x, y) = build(), data()
    logger = keras_repreg.CharacteristicsLogger(frequency=2)
    own = keras_repreg.CharacteristicsLogger("first", x, frequency=3)
    history = model.fit(x, y, epochs=7, validation_data=(x, y), callbacks=[logger, own], verbose=0).history
    assert list(logger.tables) == [2, 4, 6]
    assert list(own.tables) == [3, 6]
    assert len(history["val_second_sparsity"]) == 3
    assert len(history["val_first_sparsity"]) == 2


def test_convolutions_with_channels_or_positions_as_units():
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="relu", name="conv"),
                              layers.Flatten(), layers.Dense(2)])  # fmt: skip
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(10, 6, 6, 1)).astype("float32")
    y = np.arange(10) % 2
    for units in ("channels", "flatten"):
        logger = keras_repreg.CharacteristicsLogger(characteristics=["stable_rank", "nc1"], units=units)
        model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0)
        expected = keras_repreg.measure(model, (x, y), units=units, characteristics=["stable_rank", "nc1"])
        for name, value in expected["conv"].items():
            assert logger.tables[1]["conv"][name] == pytest.approx(value, rel=1e-4), name


def test_several_outputs_of_a_layer_and_several_inputs_of_a_model():
    left, right = keras.Input((4, 5), name="left"), keras.Input((3,), name="right")
    z, *_ = layers.LSTM(3, return_state=True, name="lstm")(left)
    model = keras.Model({"left": left, "right": right}, layers.Dense(2)(layers.Add()([z, right])))
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x = {"left": rng.normal(size=(20, 4, 5)).astype("float32"), "right": rng.normal(size=(20, 3)).astype("float32")}
    y = np.zeros((20, 2), "float32")
    logger = keras_repreg.CharacteristicsLogger("lstm")
    history = model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert_logged(history, model, "lstm", x)


def test_mixed_precision():
    model, (x, y) = build(penalty=False), data()
    start = keras.Input((5,))
    z = layers.Dense(8, activation="relu", name="half", dtype="mixed_bfloat16")(start)
    model = keras.Model(start, layers.Dense(3)(z))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(
        x, y, validation_data=(x, y), callbacks=[keras_repreg.CharacteristicsLogger()], verbose=0
    ).history
    expected = keras_repreg.measure(model, x, "half")["half"]
    assert history["val_half_amplitude"] == [pytest.approx(expected["amplitude"], rel=1e-2)]


def test_whitening_uses_the_last_logged_moments():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="z"), layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data()
    logger = keras_repreg.CharacteristicsLogger()
    model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0)
    with pytest.raises(TypeError, match="Expected `moments` to be a `Moments`.*Received: 1"):
        keras_repreg.ion.whiten(model, "z", moments=1)
    keras_repreg.ion.whiten(model, "z", moments=logger.moments["z"])
    assert keras_repreg.measure(model, x, "z")["z"]["correlation"] < 1e-2


@pytest.mark.parametrize("how", ["operator", "function"])
def test_penalty_after_an_operation_is_measured_itself(how):
    start = keras.Input((5,))
    a = layers.Dense(6, activation="relu")(start)
    z = a + layers.Dense(6)(a) if how == "operator" else keras.ops.relu(layers.Dense(6)(a))
    model = keras.Model(start, layers.Dense(3)(keras_repreg.RankRegularization(0.1, name="penalty")(z)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data()
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert_logged(history, model, "penalty", x)


def test_a_penalty_within_a_nested_model():
    inner = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, activation="relu", name="inner"), keras_repreg.L1Regularization(1e-3)]
    )
    model = keras.Sequential([keras.Input((5,)), inner, layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data()
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert_logged(history, model, "inner", x)


def test_divergence_is_logged_and_training_continues():
    model, (x, y) = build(), data()
    model.layers[0].kernel.assign(np.full((5, 8), np.nan))
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[logger], verbose=0).history
    assert np.isnan(history["val_second_amplitude"]).all()
    assert len(history["loss"]) == 2


def test_models_with_a_label_input():
    x, y = data()
    inputs, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    z = layers.Dense(6, activation="relu", name="second")(inputs)
    z = keras_repreg.ClasswiseVarianceRegularization(0.1)([z, labels])
    model = keras.Model([inputs, labels], layers.Dense(3)(z))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(
        [x, y], y, validation_data=([x, y], y), callbacks=[keras_repreg.CharacteristicsLogger()], verbose=0
    ).history
    assert_logged(history, model, "second", [x, y])
    history = model.fit([x, y], y, callbacks=[keras_repreg.CharacteristicsLogger(data=[x, y])], verbose=0).history
    assert_logged(history, model, "second", ([x, y], y))


def test_invalid_arguments_raise():
    model, (x, y) = build(), data()
    with pytest.raises(ValueError, match="Received: 'nowhere'"):
        model.fit(x, y, callbacks=[keras_repreg.CharacteristicsLogger("nowhere")], verbose=0)
    for name, value in {"batch_size": 0, "frequency": 1.5, "units": "rows", "characteristics": "nothing"}.items():
        with pytest.raises(ValueError, match="Received: "):
            keras_repreg.CharacteristicsLogger(**{name: value})


def test_layers_of_the_same_name_in_models_within_the_model():
    def inner(name):
        layers = [keras.Input((4,)), keras.layers.Dense(4, name="deep"), keras_repreg.RankRegularization(0.01)]
        return keras.Sequential(layers, name=name)

    one, two = inner("one"), inner("two")
    start = keras.Input((4,))
    model = keras.Model(start, keras.layers.Dense(2)(two(one(start))))
    model.compile("adam", "mse")
    x = np.ones((8, 4), "float32")
    history = model.fit(
        x, x[:, :2], validation_data=(x, x[:, :2]), verbose=0, callbacks=[keras_repreg.CharacteristicsLogger()]
    ).history
    table = keras_repreg.measure(model, x, [one.layers[0], two.layers[0]])
    assert set(table) == {"one/deep", "two/deep"}
    for layer, values in table.items():
        assert history[f"val_{layer}_amplitude"] == pytest.approx([values["amplitude"]], rel=1e-6)
    assert keras_repreg.measure(model, x, "two/deep")["two/deep"] == pytest.approx(table["two/deep"])
    with pytest.raises(ValueError, match=r"one layer of.*at \['one/deep', 'two/deep'\]: name one by its path"):
        keras_repreg.measure(model, x, "deep")


@pytest.mark.parametrize("layer", [None, "first"])
def test_logger_can_be_pickled_during_training(layer):
    copies = []

    class Copying(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            copies.append(pickle.loads(pickle.dumps(logger)))

    model, (x, y) = build(), data()
    logger = keras_repreg.CharacteristicsLogger(layer)
    model.fit(x, y, epochs=2, validation_data=(x[:20], y[:20]), callbacks=[logger, Copying()], verbose=0)
    assert [list(copy.tables) for copy in copies] == [[1], [1, 2]]
    assert copies[1].tables[2].to_dict() == logger.tables[2].to_dict()
    fresh = build()
    fresh.fit(x, y, validation_data=(x[:20], y[:20]), callbacks=[copies[0]], verbose=0)
    assert list(copies[0].tables) == [1]
