"""Products in full float32 on hardware that rounds the factors, which is imitated here."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_repreg import products
from keras_repreg.classes import SoftClasses
from tests.classes.cases import value_and_gradient

pytestmark = pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch takes all bits by itself")


def rounded(x):
    """Float32 with ten bits of mantissa, as a GPU's matrix units take it."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=10)
    import tensorflow as tf

    return tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), -(2**13)), tf.float32)


@pytest.fixture
def matrix_units(monkeypatch):
    matmul = ops.matmul
    monkeypatch.setattr(products.ops, "matmul", lambda a, b: matmul(rounded(a), rounded(b)))
    monkeypatch.setattr(products, "on_accelerator", lambda tensor: True)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e15])
def test_all_digits(scale, matrix_units):
    rng = np.random.default_rng(0)
    a = (scale * (3 + rng.normal(size=(40, 60)))).astype("float32")
    b = rng.normal(size=(60, 30)).astype("float32")
    expected = a.astype("float64") @ b.astype("float64")
    a, b = ops.convert_to_tensor(a), ops.convert_to_tensor(b)
    off = [np.abs(ops.convert_to_numpy(f(a, b)) - expected).max() / scale for f in (products.matmul, ops.matmul)]
    assert off[0] < 1e-4 < 3e-3 < off[1]


def test_gradient(matrix_units):
    rng = np.random.default_rng(0)
    a, b, g = (rng.normal(size=shape).astype("float32") for shape in ((20, 30), (30, 10), (20, 10)))
    _, by_a = value_and_gradient(lambda t: ops.sum(products.matmul(t, ops.convert_to_tensor(b)) * g), a)
    _, by_b = value_and_gradient(lambda t: ops.sum(products.matmul(ops.convert_to_tensor(a), t) * g), b)
    np.testing.assert_allclose(by_a, g.astype("float64") @ b.T, atol=3e-5)
    np.testing.assert_allclose(by_b, a.T.astype("float64") @ g, atol=3e-5)


@pytest.mark.parametrize("entry", [0.0, np.inf, np.nan])
def test_zeros_and_what_is_not_finite(entry, matrix_units):
    a = np.full((3, 4), entry, "float32")
    found = ops.convert_to_numpy(products.matmul(ops.convert_to_tensor(a), ops.ones((4, 2))))
    assert np.isfinite(found).all() == np.isfinite(entry)
    assert not found[np.isfinite(found)].any()


def test_of_no_rows(matrix_units):
    assert products.matmul(ops.ones((0, 4)), ops.ones((4, 2))).shape == (0, 2)
    assert not ops.convert_to_numpy(products.matmul(ops.ones((3, 0)), ops.ones((0, 2)))).any()


def test_soft_classes_keep_their_digits(matrix_units):
    """Variances of a tenth around class means of thousands: of ten bits nothing would be left."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, 120)
    z = (1000.0 * np.arange(3)[ids][:, None] + rng.normal(size=(120, 12))).astype("float32")
    soft = SoftClasses(ops.convert_to_tensor(np.eye(3, dtype="float32")[ids]))
    rows = [z[ids == k].astype("float64") for k in range(3)]
    expected = sum(((x - x.mean(axis=0)) ** 2).mean(axis=0).sum() for x in rows)
    gradient = np.concatenate([2 * (x - x.mean(axis=0)) / len(x) for x in rows])
    value, found = value_and_gradient(soft.variance_sum, z)
    assert value == pytest.approx(expected, rel=0.2)
    order = np.argsort(ids, kind="stable")
    np.testing.assert_allclose(found[order], gradient, atol=0.05 * np.abs(gradient).max())
