"""Theorem 1 as a property, for any layers in between and any precision."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import keras_repreg
from keras_repreg import ion
from tests.ion.networks import build, functional, nonsingular, output, representation


@settings(max_examples=8 if keras.backend.backend() == "jax" else 40, deadline=None)
@given(
    units=st.integers(1, 12),
    condition=st.floats(1, 300),
    shift=st.booleans(),
    seed=st.integers(0, 10**6),
    activation=st.sampled_from([None, "relu", "softmax"]),
)
def test_theorem_1(units, condition, shift, seed, activation):
    keras.utils.set_random_seed(seed)
    model = build(units, activation=activation)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 5)).astype("float32")
    q, m = nonsingular(units, condition, seed), rng.normal(size=units) * shift
    y, z = output(model, x), representation(model, x)
    # Beyond a condition number of 100, rounding can exceed the default tolerance of float32.
    assert ion.transform(model, "z", q, m, tolerance=1e-5 * condition) is model
    tolerance = 1e-5 * condition * (1 + np.abs(y).max())
    np.testing.assert_allclose(output(model, x), y, atol=tolerance)  # eq. 1
    expected = (z - m) @ q.T
    np.testing.assert_allclose(representation(model, x), expected, atol=1e-4 * (1 + np.abs(expected).max()))  # eq. 2


def test_transforms_compose():
    keras.utils.set_random_seed(0)
    model = build()
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    q, p = nonsingular(6, 10, 1), nonsingular(6, 10, 2)
    z = representation(model, x)
    ion.transform(ion.transform(model, "z", q), "z", p)
    np.testing.assert_allclose(representation(model, x), z @ (p @ q).T, atol=1e-5)
    first, second = ion.rewrites(model)
    np.testing.assert_array_equal(first.q, q)
    np.testing.assert_array_equal(second.q, p)
    assert (first.layer, first.consumer) == ("z", "next")
    assert first.condition_number == pytest.approx(10)
    assert 0 <= first.output_difference < 1e-5


def test_layers_without_effect_at_inference_are_looked_through():
    between = [
        layers.Dropout(0.5),
        layers.GaussianNoise(0.5),
        keras_repreg.RankRegularization(0.1, name="rank_regularization"),
        keras_repreg.ClasswiseRankRegularization(0.1, name="classwise_rank_regularization"),
        layers.Activation("linear"),
        layers.Identity(),
    ]
    model = build(between=between)
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    y = output(model, x)
    with pytest.warns(UserWarning, match=r"penalties of \['rank_regularization', 'classwise_rank_regularization'\]"):
        ion.transform(model, "z", nonsingular(6, 5, 0), np.ones(6))
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)
    ion.permute(model, "z", [3, 0, 5, 1, 4, 2])  # no penalty depends on the order of units, so no warning is expected


def test_functional_model():
    model = functional()
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    y = output(model, x)
    ion.transform(model, model.get_layer("z"), nonsingular(6, 5, 0), np.ones(6))
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)


def test_matrix_without_shift_needs_no_bias():
    model = build(use_bias=False)
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    y = output(model, x)
    ion.transform(model, "z", nonsingular(6, 5, 0))
    np.testing.assert_allclose(output(model, x), y, atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_dtypes(dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 by default")
    model = build(dtype=dtype)
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    y = output(model, x)
    ion.transform(model, "z", nonsingular(6, 3, 0), np.ones(6))
    assert str(model.get_layer("z").kernel.dtype).endswith("float64" if dtype == "float64" else "float32")
    np.testing.assert_allclose(output(model, x), y, atol=0.05 if "mixed" in dtype else 1e-6)
