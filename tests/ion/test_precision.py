"""Rewrites are exact to the precision of the model, or raise and keep every weight."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from tests.ion.networks import build, nonsingular

X = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")
# As documented in `transform`.
LIMITS = {"mixed_bfloat16": 2**-5, "mixed_float16": 2**-8, "float32": 2**-15, "float64": 2**-40}
if keras.backend.backend() == "torch":
    LIMITS["float64"] = LIMITS["float32"]  # Keras multiplies float64 matrices in float32 on PyTorch
DTYPES = [dtype for dtype in LIMITS if dtype != "float64" or keras.backend.backend() != "jax"]


def refused(model, rewrite, error=RuntimeError, match="more than the tolerance"):
    before = model.get_weights()
    with pytest.raises(error, match=match):
        rewrite(model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert ion.rewrites(model) == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_tolerance_follows_from_the_dtype(dtype):
    """A series of condition numbers is accepted exactly if the outputs change by at most the tolerance."""
    verdicts = []
    for condition in np.geomspace(3, 3e2 if "mixed" in dtype else 3e5, 24):
        model = build(dtype=dtype)
        q = nonsingular(6, condition, 0)
        loose = build(dtype=dtype)
        loose.set_weights(model.get_weights())
        ion.transform(loose, "z", q, tolerance=0.9999)
        change = ion.rewrites(loose)[0].output_difference
        if change <= LIMITS[dtype]:
            ion.transform(model, "z", q)
            assert ion.rewrites(model)[0].output_difference == change
        else:
            refused(model, lambda model, q=q: ion.transform(model, "z", q))
        verdicts.append(change / LIMITS[dtype])
    # The series approaches the tolerance from both sides, so that a different tolerance would fail.
    assert any(0.1 < verdict <= 1 for verdict in verdicts)
    assert any(1 < verdict < 10 for verdict in verdicts)
    assert ion.probing.tolerance_of(build(dtype=dtype)) == LIMITS[dtype]


def test_tolerance_is_an_argument():
    q = nonsingular(6, 100, 0)
    refused(build(), lambda model: ion.transform(model, "z", q, tolerance=1e-9))
    refused(build(), lambda model: ion.transform(model, "z", q, tolerance=0.0))
    for wrong in (-1e-3, 1.0, float("nan"), "1e-3", True):
        refused(
            build(), lambda model, w=wrong: ion.permute(model, "z", range(6), tolerance=w), ValueError, "Received: tol"
        )
    for rewrite in (
        lambda model: ion.rescale(model, "z", 3.7, tolerance=0.0),
        lambda model: ion.orthogonal(model, "z", 0, tolerance=0.0),
        lambda model: ion.whiten(model, "z", X, tolerance=0.0),
        lambda model: ion.decorrelate(model, "z", X, tolerance=0.0),
    ):
        refused(build(), rewrite)


def test_condition_number_that_changes_predictions_raises_with_and_without_data():
    for data in (None, X):
        refused(build(), lambda model, data=data: ion.transform(model, "z", nonsingular(6, 1e6, 0), data=data))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_models_are_verified_in_half_precision(dtype):
    refused(build(dtype=dtype), lambda model: ion.transform(model, "z", nonsingular(6, 1e3, 0)))


def test_rounding_of_a_large_shift_is_detected():
    for m in (2.0**20, -(2.0**24)):
        refused(build(), lambda model, m=m: ion.transform(model, "z", np.eye(6), np.full(6, m)))


def test_changes_visible_only_on_data_are_detected():
    """Random inputs have unit variance; in the data, one input is large."""
    model = keras.Sequential([keras.Input((5,)), layers.Dense(5, name="z"), layers.Dense(3)])
    model.layers[0].kernel.assign(np.eye(5))
    x = X * np.array([1, 1, 1, 1, 1e-6], "float32")
    model.layers[1].kernel.assign(np.array([[0.0] * 3] * 4 + [[1.0, 2.0, 3.0]]))
    q = np.eye(5)
    q[4, 0] = 10.0
    refused(model, lambda model: ion.transform(model, "z", q, data=x))


def test_float16_overflow_raises():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, name="z"), layers.BatchNormalization(name="norm"), layers.Dense(3)]
    )
    half = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, name="z", dtype="float16"),
            layers.BatchNormalization(name="norm", dtype="float16"),
            layers.Dense(3, dtype="float16"),
        ]
    )
    for each in (model, half):
        each.get_layer("norm").moving_variance.assign(np.full(6, 0.0))
        each.get_layer("norm").gamma.assign(np.full(6, 3e4))
    ion.fold_batch_norm(model, "norm")
    refused(half, lambda model: ion.fold_batch_norm(model, "norm"), ValueError, "range of float16")


class Picky(layers.Layer):
    """A layer that accepts only values between 0 and 1."""

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        if float(keras.ops.min(x)) < 0:
            raise ValueError("Negative values.")
        return x

    def compute_output_shape(self, input_shape):
        return input_shape


def test_model_that_fails_on_random_inputs_requires_data():
    def make():
        return keras.Sequential([keras.Input((5,)), Picky(), layers.Dense(6, name="z"), layers.Dense(3)])

    refused(make(), lambda model: ion.permute(model, "z", range(6)), ValueError, "or `data`.*Negative values")
    model = make()
    ion.permute(model, "z", [1, 0, 2, 3, 4, 5], data=np.abs(X))
    assert len(ion.rewrites(model)) == 1
