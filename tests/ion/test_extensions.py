"""Section 3.2: insertion of a linear layer, and comparable performance networks."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg import ion
from tests.ion.networks import build, functional, nonsingular, output, representation
from tests.ion.test_kinds import IMAGES, X, convolutional, relu

Y = (X[:, 0] > X[:, 1]).astype("int32") + (X[:, 2] > 2)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("make", [relu, build, lambda: keras_repreg.Sequential.from_config(relu().get_config())])
def test_an_inserted_layer_changes_nothing_at_all(make):
    model = make()
    longer = ion.insert_linear(model, "z")
    assert type(longer) is type(model)
    assert ion.verify(model, longer, X) == 0
    names = [layer.name for layer in longer.layers]
    assert names.index("z_linear") == names.index("z") + 1
    ion.whiten(longer, "z_linear", X)
    assert ion.verify(model, longer, X) < 1e-3
    np.testing.assert_array_equal(representation(longer, X), representation(model, X))


# Keras 3.10 warns about the input structure of models with a single input that are restored from a configuration.
@pytest.mark.filterwarnings(r"ignore:[\s\S]*The structure of .inputs. doesn't match:UserWarning")
def test_insertion_in_a_graph_redirects_all_consumers():
    for model in (functional(), functional(layers.Dense(2, name="other")), functional(lambda z: z)):
        longer = ion.insert_linear(model, "z", name="inserted")
        assert ion.verify(model, longer, X) == 0
        inserted = longer.get_layer("inserted")
        inserted.kernel.assign(inserted.kernel * 0)
        outputs = keras.tree.flatten(longer(X, training=False))
        for found in outputs:  # only biases remain
            assert np.allclose(keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(found)[:1])


def test_insertion_after_a_convolution():
    model = convolutional([layers.Flatten(), layers.Dense(3)], activation="relu")
    longer = ion.insert_linear(model, "z")
    assert ion.verify(model, longer, IMAGES) == 0
    ion.whiten(longer, "z_linear", IMAGES)
    assert ion.verify(model, longer, IMAGES) < 1e-3


def test_invalid_insertions_raise():
    with pytest.raises(ValueError, match="Received: name='next'"):
        ion.insert_linear(build(), "z", name="next")
    for name in ("", 3):
        with pytest.raises(ValueError, match=f"to be a name or None. Received: name={name!r}"):
            ion.insert_linear(build(), "z", name=name)
    with pytest.raises(ValueError, match="Received: 'nowhere'"):
        ion.insert_linear(build(), "nowhere")
    with pytest.raises(ValueError, match="built model"):
        ion.insert_linear(keras.Sequential([layers.Dense(3, name="z")]), "z")
    with pytest.raises(ValueError, match="shared layer 'next'"):
        ion.insert_linear(functional(reuse=True), "next")
    with pytest.raises(ValueError, match="hidden layer.*Received: 'next'"):
        ion.insert_linear(functional(), "next")
    start = keras.Input((3, 5))
    with_state = layers.LSTM(4, return_state=True, name="lstm")(start)
    with pytest.raises(ValueError, match="one output of known width. Received: 'lstm'"):
        ion.insert_linear(keras.Model(start, layers.Dense(2)(with_state[0])), "lstm")


def trained():
    model = relu(8)
    model.compile(keras.optimizers.Adam(0.02), LOSS)
    model.fit(X, Y, epochs=20, verbose=0)
    return model


def error(model):
    return float(np.mean(output(model, X).argmax(axis=1) != Y))


def test_comparable_networks_are_fine_tuned_in_the_next_layer_only():
    model = trained()
    before = model.get_weights()
    q = nonsingular(8, 3, 0)
    raw = ion.comparable(model, "z", q, (X, Y), loss=LOSS, epochs=0, copy=True)
    tuned = ion.comparable(model, "z", q, (X, Y), loss=LOSS, epochs=30, learning_rate=0.02, copy=True)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    z = representation(keras.Sequential([keras.Input((5,)), layers.Dense(8, name="z")]), X)
    assert z.shape == representation(raw, X).shape
    np.testing.assert_array_equal(raw.get_layer("z").get_weights()[0], tuned.get_layer("z").get_weights()[0])
    assert not np.array_equal(raw.get_layer("next").get_weights()[0], tuned.get_layer("next").get_weights()[0])
    assert ion.verify(model, raw, X) > 0.01  # not identical
    assert error(tuned) <= error(raw)
    assert all(layer.trainable for layer in tuned.layers)


@pytest.mark.slow
def test_comparable_search_takes_the_highest_correlation_within_the_margin():
    model = trained()
    arguments = {"loss": LOSS, "number": 4, "margin": 100.0, "epochs": 1, "learning_rate": 0.01}

    def draw(rng):
        return np.ones((8, 8)) + np.diag(rng.uniform(size=8) - 1)

    best, tried = ion.search_comparable(model, "z", draw, (X, Y), (X, Y), **arguments)
    assert len(tried) == 4
    assert len({candidate.q.tobytes() for candidate in tried}) == 4
    found = keras_repreg.measure(best, X, "z")["z"]["correlation"]
    assert found == pytest.approx(max(candidate.correlation for candidate in tried))
    _, tried = ion.search_comparable(model, "z", draw, (X, Y), (X, Y), **{**arguments, "margin": -100.0})
    assert [candidate.correlation for candidate in tried]
    with pytest.raises(ValueError, match="number=0"):
        ion.search_comparable(model, "z", draw, (X, Y), (X, Y), **{**arguments, "number": 0})


def test_failures_restore_weights_and_trainability():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(5, name="frozen"), layers.Dense(5)])
    inner.layers[0].trainable = False
    model = keras.Sequential([keras.Input((5,)), inner, *relu().layers])
    before = model.get_weights()
    for epochs in (-1, 1.0, True):
        with pytest.raises(ValueError, match=f"epochs={epochs}"):
            ion.comparable(model, "z", np.eye(6) * 2, (X, Y), loss=LOSS, epochs=epochs)
    with pytest.raises(ValueError):  # noqa: PT011 - Keras's own, about the lengths
        ion.comparable(model, "z", np.eye(6) * 2, (X, Y[:7]), loss=LOSS)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    count = len(model.trainable_variables)
    ion.comparable(model, "z", np.eye(6) + 1.0, (X, Y), loss=LOSS)
    assert len(model.trainable_variables) == count
    assert not inner.layers[0].trainable
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="read 100 times"):
        ion.search_comparable(model, "z", lambda rng: np.eye(6), iter([(X, Y)]), (X, Y), loss=LOSS)


def test_comparable_requires_relu():
    with pytest.raises(ValueError, match="transform"):
        ion.comparable(build(), "z", np.eye(6), (X, Y), loss=LOSS)
