"""Comparison of layers: identical output networks, unrelated networks, and before and after training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_repreg import ion, similarity
from keras_repreg.similarity import comparing
from keras_repreg.similarity.alignment import Alignment, u_centred


def inputs(samples=120):
    return np.random.default_rng(0).normal(size=(samples, 6)).astype("float32")


def network(activation=None, seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(5, activation=activation, name="second"),
            layers.Dense(3, name="logits"),
        ]
    )


def twin_of(model):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def activations(model, name, x):
    return ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(name).output)(x))


@pytest.mark.parametrize("measure", ["cka", "cca", "procrustes"])
def test_every_pair_of_layers_is_compared(measure):
    one, other, x = network(), network(seed=1), inputs()
    table = similarity.compare(one, other, x, measure=measure)
    assert (table.measure, table.samples, list(table), list(table["first"])) == (
        measure,
        120,
        ["first", "second"],
        ["first", "second"],
    )
    assert table.matrix.shape == (2, 2)
    for a in table:
        for b in table[a]:
            expected = getattr(similarity, measure)(activations(one, a, x), activations(other, b, x))
            assert table[a][b] == pytest.approx(expected, abs=1e-4)
    assert "second" in repr(table)


def test_batching_barely_changes_the_estimate_and_small_batches_are_dropped():
    one, other, x = network(), network(seed=1), inputs(1200)
    whole = similarity.compare(one, other, x, batch_size=1200)
    parts = similarity.compare(one, other, x, batch_size=59)  # the last batch has 20 samples
    np.testing.assert_allclose(parts.matrix, whole.matrix, atol=0.05)
    assert parts.samples == 1200
    assert similarity.compare(one, other, x[:62], batch_size=59).samples == 59
    assert similarity.compare(one, other, x, batch_size=100, steps=2).samples == 200
    with pytest.raises(ValueError, match="at least 4 samples. Received: 6 samples"):
        similarity.compare(one, other, x[:6], batch_size=3)


def test_an_identical_output_network_has_cca_1_and_after_a_rotation_cka_1():
    model, x = network(), inputs()
    rotated, whitened = twin_of(model), twin_of(model)
    ion.orthogonal(rotated, "second", seed=0)
    ion.whiten(whitened, "second", data=x)
    for twin, kind in ((rotated, "rotation"), (whitened, "whitening")):
        found = {
            measure: similarity.compare(model, twin, x, "second", measure=measure) for measure in comparing.MEASURES
        }
        assert found["cca"]["second"]["second"] == pytest.approx(1, abs=1e-3)
        if kind == "rotation":
            assert found["cka"]["second"]["second"] == pytest.approx(1, abs=1e-4)
            assert found["procrustes"]["second"]["second"] == pytest.approx(0, abs=1e-2)
        else:
            assert found["cka"]["second"]["second"] < 0.99


def test_permuting_a_relu_layer_changes_no_similarity():
    model, x = network("relu"), inputs()
    twin = twin_of(model)
    ion.permute(twin, "second", np.array([3, 1, 0, 2, 4]))
    for measure, expected in (("cka", 1), ("cca", 1), ("procrustes", 0)):
        found = similarity.compare(model, twin, x, "second", measure=measure)
        assert found["second"]["second"] == pytest.approx(expected, abs=1e-3)


def test_layers_with_other_names_and_convolutions():
    x = np.random.default_rng(0).normal(size=(40, 6, 6, 1)).astype("float32")
    one = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(3, 3, name="conv"), layers.Flatten(), layers.Dense(2)]
    )
    other = keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(7, name="dense"), layers.Dense(2)])
    table = similarity.compare(one, other, (x, np.zeros(40)), "conv", layers_b="dense")
    expected = similarity.cka(activations(one, "conv", x), activations(other, "dense", x))
    assert table["conv"]["dense"] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="Received: 'conv'"):
        similarity.compare(one, other, x, "conv")


def test_inner_products_of_u_centred_matrices_are_unbiased():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 4)), rng.normal(size=(9, 30))
    alignment = Alignment(1, 2)
    alignment.update([u_centred(a)], [u_centred(b), u_centred(a)])
    np.testing.assert_allclose(alignment.cka(), [[similarity.cka(a, b), 1]], atol=1e-12)


def test_oversized_or_nonfinite_activations_raise(monkeypatch):
    model, x = network(), inputs()
    with pytest.raises(ValueError, match="Received: measure='nothing'"):
        similarity.compare(model, model, x, measure="nothing")
    with pytest.raises(TypeError, match="Received: 3"):
        similarity.compare(model, 3, x)
    with pytest.raises(ValueError, match="NaN or infinite values in layer 'first'"):
        similarity.compare(model, model, np.full((5, 6), np.nan, "float32"))
    monkeypatch.setattr(comparing, "available_memory", lambda: 1000)
    with pytest.raises(ValueError, match="4 pairs of layers.*Received: measure='cca'"):
        similarity.compare(model, model, x, measure="cca")


def compiled(learning_rate):
    model = network("relu")
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model, inputs(), np.random.default_rng(1).normal(size=(120, 3)).astype("float32")


def test_logger_compares_with_the_start():
    model, x, y = compiled(0.5)
    before = twin_of(model)
    logger = similarity.SimilarityLogger((x, y), frequency=2, batch_size=50)
    history = model.fit(x, y, epochs=4, callbacks=[logger], verbose=0).history
    assert sorted(logger.tables) == [2, 4]
    assert len(history["first_cka_to_start"]) == 2
    expected = similarity.compare(before, model, x, batch_size=50)
    np.testing.assert_allclose(logger.tables[4].matrix, expected.matrix, atol=1e-6)
    assert history["second_cka_to_start"][-1] == pytest.approx(expected["second"]["second"], abs=1e-6)
    assert history["second_cka_to_start"][-1] < 0.999


def test_logger_with_frozen_or_diverging_layers():
    model, x, y = compiled(0.0)
    logger = similarity.SimilarityLogger(x, "second")
    assert model.fit(x, y, callbacks=[logger], verbose=0).history["second_cka_to_start"] == [pytest.approx(1)]
    model, x, y = compiled(0.0)

    class Diverges(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("first").set_weights([np.full((6, 8), np.nan), np.zeros(8)])

    history = model.fit(x, y, callbacks=[Diverges(), similarity.SimilarityLogger(x, "first")], verbose=0).history
    assert np.isnan(history["first_cka_to_start"][0])


def test_invalid_logger_arguments_raise():
    with pytest.raises(ValueError, match="Received: generator"):
        similarity.SimilarityLogger(x for x in ())
    with pytest.raises(ValueError, match="Received: frequency=0"):
        similarity.SimilarityLogger(inputs(), frequency=0)
    model, x, y = compiled(0.1)
    with pytest.raises(ValueError, match="at least 4 samples"):
        model.fit(x, y, callbacks=[similarity.SimilarityLogger(x[:3])], verbose=0)
