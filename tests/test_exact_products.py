"""Products in full float32 on hardware that rounds the factors, which is imitated here."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_repreg import exact_products
from keras_repreg.classes import SoftClasses
from tests.classes.cases import value_and_gradient

pytestmark = pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch uses full precision itself")


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
    monkeypatch.setattr(exact_products.ops, "matmul", lambda a, b: matmul(rounded(a), rounded(b)))
    monkeypatch.setattr(exact_products, "on_accelerator", lambda tensor: True)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e15])
def test_all_digits(scale, matrix_units):
    rng = np.random.default_rng(0)
    a = (scale * (3 + rng.normal(size=(40, 60)))).astype("float32")
    b = rng.normal(size=(60, 30)).astype("float32")
    expected = a.astype("float64") @ b.astype("float64")
    a, b = ops.convert_to_tensor(a), ops.convert_to_tensor(b)
    off = [np.abs(ops.convert_to_numpy(f(a, b)) - expected).max() / scale for f in (exact_products.matmul, ops.matmul)]
    assert off[0] < 1e-4 < 3e-3 < off[1]


def test_gradient(matrix_units):
    rng = np.random.default_rng(0)
    a, b, g = (rng.normal(size=shape).astype("float32") for shape in ((20, 30), (30, 10), (20, 10)))
    _, by_a = value_and_gradient(lambda t: ops.sum(exact_products.matmul(t, ops.convert_to_tensor(b)) * g), a)
    _, by_b = value_and_gradient(lambda t: ops.sum(exact_products.matmul(ops.convert_to_tensor(a), t) * g), b)
    np.testing.assert_allclose(by_a, g.astype("float64") @ b.T, atol=3e-5)
    np.testing.assert_allclose(by_b, a.T.astype("float64") @ g, atol=3e-5)


def test_compiled(matrix_units):
    """As in training: inside a compiled function, with a number of rows that is not known there."""
    rng = np.random.default_rng(0)
    a, b = (3 + rng.normal(size=shape).astype("float32") for shape in ((20, 30), (30, 10)))
    if keras.backend.backend() == "jax":
        import jax

        found = jax.jit(jax.vmap(exact_products.matmul))(np.stack([a, 2 * a]), np.stack([b, b]))[1] / 2
        gradient = jax.jit(jax.grad(lambda t: exact_products.matmul(t, b).sum()))(a)
    else:
        import tensorflow as tf

        @tf.function(input_signature=[tf.TensorSpec((None, 30)), tf.TensorSpec((30, 10))], jit_compile=True)
        def compiled(a, b):
            with tf.GradientTape() as tape:
                tape.watch(a)
                product = exact_products.matmul(a, b)
            return product, tape.gradient(product, a)

        found, gradient = compiled(a, b)
    np.testing.assert_allclose(found, a.astype("float64") @ b, rtol=1e-6)
    np.testing.assert_allclose(gradient, np.tile(b.sum(axis=1), (20, 1)), rtol=1e-6)


def test_rows_and_columns_of_any_magnitude(matrix_units):
    rng = np.random.default_rng(0)
    a, b = (3 + rng.normal(size=shape).astype("float32") for shape in ((20, 30), (30, 10)))
    a *= 10.0 ** np.linspace(-12, 6, 20, dtype="float32")[:, None]
    b *= 10.0 ** np.linspace(5, -9, 10, dtype="float32")
    found = exact_products.matmul(ops.convert_to_tensor(a), ops.convert_to_tensor(b))
    np.testing.assert_allclose(found, a.astype("float64") @ b.astype("float64"), rtol=1e-5)


@pytest.mark.parametrize("entry", [np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_row(entry, matrix_units):
    a = np.full((3, 4), 1 / 3, "float32")
    expected = a @ np.ones((4, 2), "float32")
    a[1, 2] = entry
    found = ops.convert_to_numpy(exact_products.matmul(ops.convert_to_tensor(a), ops.ones((4, 2))))
    assert not np.isfinite(found[1]).any()
    np.testing.assert_allclose(found[::2], expected[::2], rtol=1e-6)


def test_of_no_rows(matrix_units):
    assert exact_products.matmul(ops.ones((0, 4)), ops.ones((4, 2))).shape == (0, 2)
    assert not ops.convert_to_numpy(exact_products.matmul(ops.ones((3, 0)), ops.ones((0, 2)))).any()
    assert not ops.convert_to_numpy(exact_products.matmul(ops.zeros((3, 5)), ops.ones((5, 2)))).any()


def variances(z, ids):
    """Their sum over classes, and its gradient, in float64."""
    gradient = np.zeros(z.shape)
    total = 0.0
    for k in np.unique(ids):
        rows = z[ids == k].astype("float64")
        rows -= rows.mean(axis=0)
        total += (rows**2).mean(axis=0).sum()
        gradient[ids == k] = 2 * rows / len(rows)
    return total, gradient


def one_hot(ids):
    return SoftClasses(ops.convert_to_tensor(np.eye(ids.max() + 1, dtype="float32")[ids]))


def test_soft_classes_keep_their_digits(matrix_units):
    """Deviations of one around class means of thousands: of ten bits nothing would be left."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, 120)
    z = (1000.0 * np.arange(3)[ids][:, None] + rng.normal(size=(120, 12))).astype("float32")
    expected, gradient = variances(z, ids)
    value, found = value_and_gradient(one_hot(ids).variance_sum, z)
    assert value == pytest.approx(expected, rel=0.2)
    np.testing.assert_allclose(found, gradient, atol=0.05 * np.abs(gradient).max())


def test_a_class_of_one_beside_a_large_one(matrix_units):
    rng = np.random.default_rng(0)
    ids = (np.arange(1500) > 0).astype(int)
    z = (10.0 * ids[:, None] + rng.normal(size=(1500, 12))).astype("float32")
    expected, gradient = variances(z, ids)
    value, found = value_and_gradient(one_hot(ids).variance_sum, z)
    assert value == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(found, gradient, atol=1e-3 * np.abs(gradient).max())


@pytest.mark.parametrize("method", ["holder", "power"])
def test_classes_of_any_magnitude_have_their_rank(method, matrix_units):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, 60)
    z = (np.array([1, 0.02, 0.0005])[ids][:, None] * rng.normal(size=(60, 12))).astype("float32")
    expected = 0.0
    for k in range(3):
        rows = z[ids == k].astype("float64")
        bound = {
            "holder": np.abs(rows).sum(axis=0).max() * np.abs(rows).sum(axis=1).max(),
            "power": np.linalg.norm(rows, 2) ** 2,
        }[method]
        expected += (rows**2).sum() / bound
    found = one_hot(ids).stable_rank_sum(ops.convert_to_tensor(z), method)
    assert float(found) == pytest.approx(expected, rel=5e-3)
