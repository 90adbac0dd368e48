"""Random inputs that are valid for any model."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from keras_repreg.ion.probing import random_inputs
from tests.ion.networks import build

TENSORFLOW = keras.backend.backend() == "tensorflow"


def tokens():
    return keras.Sequential(
        [keras.Input((7,)), layers.Embedding(5, 4, name="z"), layers.Dense(3), layers.GlobalAveragePooling1D()]
    )


def nested_tokens():
    inner = keras.Sequential([keras.Input((7,), dtype="int32"), layers.Embedding(5, 4)], name="inner")
    start = keras.Input((7,), dtype="int32")
    return keras.Model(start, layers.Dense(3)(layers.Dense(4, name="z")(inner(start))))


def two_tables():
    start = keras.Input((7,), dtype="int32")
    tables = [layers.Embedding(9, 4, name="z")(start), layers.Embedding(3, 4)(start)]
    return keras.Model(start, layers.Dense(3)(layers.Add()(tables)))


def unknown_length():
    start = keras.Input((None, 3))
    return keras.Model(start, layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3, name="z")(start))))


def several_inputs():
    starts = {"a": keras.Input((3,), name="a"), "b": keras.Input((2,), name="b", dtype="int32")}
    x = layers.Concatenate()([starts["a"], layers.Flatten()(layers.Embedding(6, 2)(starts["b"]))])
    return keras.Model(starts, {"y": layers.Dense(3)(layers.Dense(4, name="z")(x))})


def plain_integers():
    start = keras.Input((3,), dtype="int32")
    x = layers.Rescaling(1.0)(start)
    return keras.Model(start, layers.Dense(3)(layers.Dense(4, name="z")(x)))


def words():
    start = keras.Input((2,), dtype="string")
    ids = layers.StringLookup(vocabulary=["red", "green", "blue"])(start)
    return keras.Model(start, layers.Dense(3)(layers.Dense(4, name="z")(layers.Flatten()(layers.Embedding(4, 2)(ids)))))


def sentences():
    vectorize = layers.TextVectorization(output_sequence_length=5)
    vectorize.adapt(["a cat sat", "a dog ran away"])
    start = keras.Input((1,), dtype="string")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(vectorize.vocabulary_size(), 3)(vectorize(start)))
    return keras.Model(start, layers.Dense(3)(layers.Dense(4, name="z")(x)))


def sparse():
    start = keras.Input((5,), sparse=True)
    return keras.Model(start, layers.Dense(3)(layers.Dense(4, name="z")(start)))


MODELS = [tokens, nested_tokens, two_tables, unknown_length, several_inputs, plain_integers]
MODELS += [words, sentences, sparse] if TENSORFLOW else []


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("copy", [False, True])
def test_models_with_any_inputs_are_probed(make, copy):
    model = make()
    rewritten = ion.permute(model, "z", [2, 0, 3, 1], copy=copy)
    assert (rewritten is model) is not copy
    found = ion.rewrites(rewritten)[0].output_difference
    assert 0 <= found < 1e-5
    inputs = keras.tree.flatten(random_inputs(model))
    assert all(len(np.unique(x)) > 1 for x in inputs)


def test_random_integers_are_valid_embedding_ids():
    assert set(np.unique(random_inputs(tokens()))) == set(range(5))
    assert set(np.unique(random_inputs(two_tables()))) == set(range(3))
    assert set(np.unique(random_inputs(nested_tokens()))) == set(range(5))


def test_large_inputs_use_few_samples():
    small, large = build(), keras.Sequential([keras.Input((224, 224, 3)), layers.Conv2D(2, 3, strides=8)])
    assert len(random_inputs(small)) == 256
    assert len(random_inputs(large)) == 2


def test_random_layers_do_not_affect_the_comparison():
    start = keras.Input((5,))
    x = layers.Dense(4, name="z")(start)
    noise = layers.Dropout(0.5, seed=1)(start, training=True)
    model = keras.Model(start, layers.Concatenate()([layers.Dense(3)(x), noise]))
    state = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    ion.permute(model, "z", [0, 1, 2, 3])
    for a, b in zip(state, model.variables, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))
    ion.permute(model, "z", [2, 0, 3, 1])


@pytest.mark.parametrize("samples", [8, 300])
def test_recurrent_state_is_restored(samples):
    """The probe uses the fixed batch size of the model."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3, 2), batch_size=samples),
            layers.Dense(4, name="z"),
            layers.LSTM(3, stateful=True),
            layers.Dense(2),
        ]
    )
    ion.permute(model, "z", [2, 0, 3, 1])
    for variable in model.layers[1].variables:
        if variable.shape == (samples, 3):
            assert not np.asarray(keras.ops.convert_to_numpy(variable)).any()
