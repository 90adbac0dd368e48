"""Whitening gives the identity on the range of the covariance, for each source of the covariance."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_repreg
from keras_repreg import ion
from keras_repreg.characteristics import accumulate
from tests.ion.networks import build, output


def data(samples=200, seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, size=(samples, 5)).astype("float32")


def covariance(model, x):
    return accumulate(model, x, "z")["z"].moments.covariance


def assert_white(c, rank):
    """Assert that the covariance is a projection onto a space of the given dimension."""
    eigenvalues = np.linalg.eigvalsh(c)
    np.testing.assert_allclose(eigenvalues[len(c) - rank :], 1, atol=1e-3)
    np.testing.assert_allclose(eigenvalues[: len(c) - rank], 0, atol=1e-3)


def test_full_rank():
    keras.utils.set_random_seed(0)
    model, x = build(units=4), data()
    y = output(model, x)
    assert ion.whiten(model, "z", x) is model
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)
    np.testing.assert_allclose(covariance(model, x), np.eye(4), atol=1e-3)
    np.testing.assert_allclose(accumulate(model, x, "z")["z"].moments.mean, 0, atol=1e-3)
    assert keras_repreg.measure(model, x, "z")["z"]["correlation"] < 1e-3


def test_rank_deficient():
    # Seven units feed twelve: the covariance has rank seven at most.
    keras.utils.set_random_seed(1)
    model, x = build(units=12), data()
    y, before = output(model, x), covariance(model, x)
    rank = int((np.linalg.eigvalsh(before) > 1e-8 * np.linalg.eigvalsh(before)[-1]).sum())
    assert rank < 12
    ion.whiten(model, "z", x)
    np.testing.assert_allclose(output(model, x), y, atol=1e-4)
    assert_white(covariance(model, x), rank)


@pytest.mark.parametrize("rewrite", [ion.whiten, ion.decorrelate])
def test_dead_units_stay_constant(rewrite):
    """Otherwise the dead units would contain the same traces of the other units, which correlate perfectly."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(6, activation="relu", name="z")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7), hidden, keras.layers.Dense(3)])
    hidden.bias.assign([0.0, -1000.0, 0.0, -1000.0, 0.0, 0.0])
    model = ion.insert_linear(model, "z")
    x = data()
    rewrite(model, "z_linear", x)
    measured = accumulate(model, x, "z_linear")["z_linear"]
    assert np.count_nonzero(np.diagonal(measured.moments.covariance) == 0) == 2
    assert keras_repreg.measure(model, x, "z_linear")["z_linear"]["correlation"] < 1e-5


def test_few_samples_warn():
    keras.utils.set_random_seed(0)
    model, x = build(units=6), data()
    with pytest.warns(UserWarning, match="of the 6 units of layer 'z' on only 6 samples"):
        ion.decorrelate(model, "z", x[:6])
    ion.decorrelate(model, "z", x[:7])  # a warning would be an error


def test_whitening_uses_logged_moments():
    keras.utils.set_random_seed(0)
    model, x = build(units=4), data()
    moments = accumulate(model, x, "z")["z"].moments
    y = output(model, x)
    ion.whiten(model, "z", moments=moments)  # a warning would be an error
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)
    np.testing.assert_allclose(covariance(model, x), np.eye(4), atol=1e-3)
    with pytest.raises(TypeError, match="Received: 'moments'"):
        ion.decorrelate(model, "z", moments="moments")
    with pytest.raises(ValueError, match="of 4 units"):
        ion.decorrelate(model, "z", moments=accumulate(model, x, "first")["first"].moments)


def test_isotropic_inputs_are_assumed_without_data():
    keras.utils.set_random_seed(0)
    model, x = build(units=4), data()
    y = output(model, x)
    with pytest.warns(UserWarning, match="uncorrelated with mean 0 and variance 1"):
        ion.whiten(model, "z")
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)
    kernel = np.asarray(keras.ops.convert_to_numpy(model.get_layer("z").kernel), dtype="float64")
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-5)


def test_layers_whose_covariance_needs_data_raise():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(5, 4, name="z"), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="`data` or `moments` for layer 'z' of type Embedding"):
        ion.decorrelate(model, "z")


def test_batched_data_are_read_once():
    x = data()
    for batches in (iter([x[:100], x[100:]]), (part for part in (x[:150], x[150:]))):
        model = build(units=4)
        y = output(model, x)
        ion.whiten(model, "z", batches)
        np.testing.assert_allclose(output(model, x), y, atol=1e-5)
        np.testing.assert_allclose(covariance(model, x), np.eye(4), atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses tf.data.Dataset")
def test_a_shuffled_dataset():
    import tensorflow as tf

    model, x = build(units=4), data()
    y = output(model, x)
    ion.whiten(model, "z", tf.data.Dataset.from_tensor_slices(x).shuffle(200).batch(20))
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)


def test_dead_units_that_affect_outputs_raise_for_any_data_format():
    for make in (lambda x: x, lambda x: iter([x])):
        model, x = build(units=6), data()
        before = model.get_weights()
        with pytest.raises(RuntimeError, match="weights have been restored"):
            ion.align_dead_units(model, "z", make(x), null_space=0.5)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("x", [np.full((10, 5), np.nan, "float32"), np.zeros((0, 5), "float32")], ids=["nan", "empty"])
def test_uninformative_data_raise(x):
    with pytest.raises(ValueError, match="Received"):
        ion.whiten(build(), "z", x)


def test_constant_layer_raises():
    model = build()
    with pytest.raises(ValueError, match="varies"):
        ion.whiten(model, "z", np.zeros((10, 5), "float32"))
    with pytest.raises(ValueError, match="null_space"):
        ion.whiten(model, "z", data(), null_space=0.0)


@settings(max_examples=50, deadline=None)
@given(units=st.integers(1, 10), rank=st.integers(1, 10), seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_whitening_matrix(units, rank, seed, scale):
    rank = min(rank, units)
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(units, units)))
    variances = np.concatenate([rng.uniform(0.01, 1, rank), np.zeros(units - rank)]) * scale
    q = ion.whitening_matrix((u * variances) @ u.T)
    assert np.linalg.cond(q) <= 1e4
    np.testing.assert_allclose(q @ (u * variances) @ u.T @ q.T, u[:, :rank] @ u[:, :rank].T, atol=1e-6)
