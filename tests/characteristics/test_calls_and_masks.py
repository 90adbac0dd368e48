"""What `measure` and the loggers see: all calls of the same thread, parts of outputs, and no padding."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_repreg

RNG = np.random.default_rng(0)


def close(found, expected):
    assert set(found) == set(expected)
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name


def siamese():
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="relu", name="z")], name="encoder")
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], layers.Dense(3, name="logits")(encoder(a) + encoder(b)))


def test_all_calls_of_a_shared_layer_are_pooled():
    model = siamese()
    x = RNG.normal(size=(20, 4)).astype("float32")
    y = RNG.integers(0, 3, 20)
    dense = model.get_layer("encoder").get_layer("z")
    z = np.concatenate([ops.convert_to_numpy(dense(part)) for part in (x, 0 * x)])
    wanted = ["amplitude", "sparsity", "dead_units", "stable_rank", "within_class_variance"]
    expected = keras_repreg.characterize(z, np.tile(y, 2), characteristics=wanted)
    for size in (7, 20):
        table = keras_repreg.measure(model, ([x, 0 * x], y), "z", labels=True, characteristics=wanted, batch_size=size)
        close(table["z"], expected)
        assert table.samples == {"z": 40}
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.0
    logger = keras_repreg.CharacteristicsLogger("z", labels=True, characteristics=wanted)
    plane = keras_repreg.InformationPlaneLogger("z")
    model.fit([x, 0 * x], y, validation_data=([x, 0 * x], y), batch_size=8, verbose=0, callbacks=[logger, plane])
    close(logger.tables[1]["z"], expected)
    bounds = keras_repreg.information.mutual_information(z, np.tile(y, 2), 0.1)
    assert plane.trajectory["z"][1].zx_upper == pytest.approx(bounds.zx_upper, rel=1e-5)


def test_concurrent_measurements_are_independent():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="relu", name="z"), layers.Dense(3)])
    data = [RNG.normal(size=(40, 4)).astype("float32") * scale for scale in (1.0, 5.0)]
    expected = [keras_repreg.measure(model, x, "z")["z"] for x in data]
    failed, stop = [], threading.Event()

    def serve():
        while not stop.is_set():
            model(10 * data[0])

    def measure(i):
        try:
            for _ in range(5):
                close(keras_repreg.measure(model, data[i], "z", batch_size=8)["z"], expected[i])
        except BaseException as error:
            failed.append(error)

    server = threading.Thread(target=serve)
    threads = [threading.Thread(target=measure, args=(i,)) for i in (0, 1)]
    for thread in (server, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    server.join()
    assert not failed, failed[0]


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantized_layers_are_measured(mode):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu", name="h"), layers.Dense(3)])
    x = RNG.normal(size=(20, 4)).astype("float32")
    y = RNG.integers(0, 3, 20)
    try:
        model.get_layer("h").quantize(mode)
    except (ValueError, NotImplementedError) as error:
        pytest.skip(f"this Keras has no {mode}: {error}")
    z = ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer("h").output)(x))
    close(keras_repreg.measure(model, x, "h", batch_size=20)["h"], keras_repreg.characterize(z))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logger = keras_repreg.CharacteristicsLogger("h", data=x)
    model.get_layer("h").trainable = False
    model.optimizer.learning_rate = 0.0
    model.fit(x, y, batch_size=20, verbose=0, callbacks=[logger])
    close(logger.tables[1]["h"], keras_repreg.characterize(z))


IDS = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [2, 1, 0, 0], [3, 3, 4, 1], [2, 0, 0, 0]])


def masked():
    start = keras.Input((4,), dtype="int32", name="ids")
    z = layers.Embedding(5, 6, mask_zero=True, name="embedding")(start)
    z = layers.Dense(3, name="dense")(z)
    return keras.Model(start, layers.Dense(3, name="logits")(layers.GlobalAveragePooling1D(name="pooled")(z)))


def real_tokens(z):
    return z[IDS != 0]


@pytest.mark.parametrize("batch_size", [2, 5])
def test_padding_is_excluded(batch_size):
    model = masked()
    embedding = ops.convert_to_numpy(model.get_layer("embedding")(IDS))
    dense = ops.convert_to_numpy(model.get_layer("dense")(embedding))
    labels = np.array([0, 1, 2, 0, 1])
    wanted = ["stable_rank", "amplitude", "correlation", "between_class_variance"]
    table = keras_repreg.measure(model, (IDS, labels), labels=True, characteristics=wanted, batch_size=batch_size)
    assert table.samples == {"embedding": 11, "dense": 11, "pooled": 5}
    by_token = np.repeat(labels, (IDS != 0).sum(axis=1))
    for name, z in {"embedding": embedding, "dense": dense}.items():
        expected = keras_repreg.characterize(real_tokens(z), by_token, positive_only=False, characteristics=wanted)
        close(table[name], expected)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.0
    logger = keras_repreg.CharacteristicsLogger(labels=True, characteristics=wanted)
    model.fit(IDS, labels, validation_data=(IDS, labels), batch_size=5, verbose=0, callbacks=[logger])
    for name in table:
        close(logger.tables[1][name], table[name])
    with pytest.raises(ValueError, match="Layer 'dense'.*units='channels'.*Received: units='flatten'"):
        keras_repreg.measure(model, IDS, "dense", units="flatten")


def test_mask_can_be_a_model_input():
    ids, mask = keras.Input((4,), dtype="int32", name="ids"), keras.Input((4,), dtype="int32", name="padding_mask")
    z = layers.Embedding(5, 6, name="embedding")(ids)
    kept = layers.Multiply(name="times")([z, ops.expand_dims(ops.cast(mask, "float32"), -1)])
    model = keras.Model(
        {"ids": ids, "padding_mask": mask}, layers.Dense(2)(layers.GlobalMaxPooling1D(name="max")(kept))
    )
    data = {"ids": IDS, "padding_mask": (IDS != 0).astype("int32")}
    embedding = ops.convert_to_numpy(model.get_layer("embedding")(IDS))
    expected = keras_repreg.characterize(real_tokens(embedding), positive_only=False)
    in_order = keras.Model([ids, mask], model.output)
    for whole, form in ((model, data), (in_order, [data["ids"], data["padding_mask"]])):
        table = keras_repreg.measure(whole, form, ["embedding", "max"], mask="padding_mask")
        close(table["embedding"], expected)
        assert table.samples == {"embedding": 11, "max": 5}
    assert keras_repreg.measure(model, data, "embedding").samples == {"embedding": 20}
    with pytest.raises(ValueError, match=r"Expected `mask` to be an input.*\['ids', 'padding_mask'\].*mask='other'"):
        keras_repreg.measure(model, data, mask="other")
    with pytest.raises(ValueError, match=r"Received: mask='padding_mask', which matches none of \['max'\]"):
        keras_repreg.measure(model, data, "max", mask="padding_mask")
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    logger = keras_repreg.CharacteristicsLogger("embedding", mask="padding_mask")
    y = np.zeros((5, 2))
    model.fit(data, y, validation_data=(data, y), verbose=0, callbacks=[logger])
    close(logger.tables[1]["embedding"], expected)


def with_backbone():
    class Backbone(keras.Model):
        def __init__(self):
            start = keras.Input((4,), name="x")
            z = layers.Dense(6, activation="relu", name="inner")(start)
            super().__init__(start, {"pooled": z, "sequence": ops.stack([z, 2 * z], axis=1)}, name="backbone")

    start = keras.Input((4,))
    return keras.Model(start, layers.Dense(2, name="logits")(Backbone()(start)["pooled"]))


def test_dict_outputs_are_measured_by_their_parts():
    model = with_backbone()
    x = RNG.normal(size=(20, 4)).astype("float32")
    z = np.maximum(ops.convert_to_numpy(model.get_layer("backbone").get_layer("inner")(x)), 0)
    table = keras_repreg.measure(model, x)
    assert list(table) == ["backbone/pooled", "backbone/sequence"]
    # It is not known whether the output of a nested model is rectified.
    close(table["backbone/pooled"], keras_repreg.characterize(z, positive_only=False))
    close(table["backbone/sequence"], keras_repreg.characterize(np.concatenate([z, 2 * z]), positive_only=False))
    close(keras_repreg.measure(model, x, "backbone/inner")["backbone/inner"], keras_repreg.characterize(z))
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    y = np.zeros((20, 2))
    history = model.fit(
        x, y, validation_data=(x, y), verbose=0, callbacks=[keras_repreg.CharacteristicsLogger()]
    ).history
    assert history["val_backbone/pooled_stable_rank"] == pytest.approx(
        [table["backbone/pooled"]["stable_rank"]], rel=1e-4
    )


def test_unmeasurable_layers_are_skipped_by_default_and_raise_by_name():
    class Count(layers.Layer):
        def call(self, x):
            return ops.sum(x)

    start = keras.Input((4,))
    z = layers.Dense(3, name="z")(start)
    model = keras.Model(start, layers.Dense(2, name="other")(z) + Count(name="count")(z))
    x = RNG.normal(size=(20, 4)).astype("float32")
    assert list(keras_repreg.measure(model, x)) == ["z", "other"]
    with pytest.raises(ValueError, match=r"Layer 'count'.*Received: shape \(\)"):
        keras_repreg.measure(model, x, "count")


def test_model_without_hidden_layers_warns_and_trains():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(20, 4)), np.zeros((20, 2))
    with pytest.warns(UserWarning, match="CharacteristicsLogger logs nothing. Expected a model with hidden layers"):
        history = model.fit(
            x, y, validation_data=(x, y), verbose=0, callbacks=[keras_repreg.CharacteristicsLogger()]
        ).history
    assert set(history) == {"loss", "val_loss"}


@pytest.mark.parametrize("explicit", [False, True])
def test_masks_reach_a_layer_within_time_distributed(explicit):
    """Keras passes no mask to an inner layer whose `call` takes none, but masked steps must still be excluded."""
    start = keras.Input((4,), dtype="int32", name="ids")
    mask = keras.Input((4,), name="mask")
    z = layers.Embedding(5, 3, mask_zero=not explicit)(start)
    inner = layers.Dense(6, activation="relu", name="inner")
    z = layers.TimeDistributed(inner, name="outer")(z)
    # Keras 3.11 requires every input to be connected to an output.
    model = keras.Model([start, mask], [layers.GlobalAveragePooling1D()(z), layers.Identity()(mask)])
    x = [IDS, (IDS != 0).astype("float32")]
    found = keras_repreg.measure(model, x, [inner, "outer"], mask="mask" if explicit else None)
    kept = ops.convert_to_numpy(keras.Model(start, z)(IDS))[IDS != 0]
    assert found.samples == {name: (IDS != 0).sum() for name in found}
    for values in found.values():
        close(values, keras_repreg.characterize(kept))
