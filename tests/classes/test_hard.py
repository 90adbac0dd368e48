"""Class-wise statistics for class ids: the formulas, weights, and sizes that select the algorithm."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_repreg.classes import HardClasses, within_class_products
from tests import reference
from tests.classes.cases import STATISTICS, value_and_gradient

NAMES = [name for name, _, _ in STATISTICS]


def hard_classes(ids, sample_weight=None):
    weight = None if sample_weight is None else ops.convert_to_tensor(sample_weight)
    return HardClasses(ops.convert_to_tensor(ids), "float32", weight)


def batch(samples, units, classes, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(samples, units)) + 0.3
    return z.astype("float32"), rng.integers(0, classes, samples).astype("int32"), rng


@pytest.mark.parametrize("units", [2, 5, 12])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_weighted_value_and_gradient(name, ask, omega, units):
    z, ids, rng = batch(14, units, 3)
    w = rng.uniform(0.2, 2, 14).astype("float32")

    def oracle(t):
        return reference.soft_classwise(omega, t, np.eye(3)[ids] * w[:, None].astype(np.float64))

    value, gradient = value_and_gradient(lambda t: ask(hard_classes(ids, w), t), z)
    assert value == pytest.approx(oracle(z.astype(np.float64)), rel=2e-4)
    expected = reference.finite_difference(oracle, z.astype(np.float64))
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_samples_of_weight_zero_have_no_effect(name, ask, omega):
    z, ids, rng = batch(20, 10, 3)
    w = (rng.uniform(size=20) > 0.4).astype("float32")
    w[ids == 1] = 0  # a class of such samples has no effect either
    kept = w > 0
    value, gradient = value_and_gradient(lambda t: ask(hard_classes(ids, w), t), z)
    expected, expected_gradient = value_and_gradient(lambda t: ask(hard_classes(ids[kept]), t), z[kept])
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient[kept], expected_gradient, rtol=1e-3, atol=1e-5)
    assert not gradient[~kept].any()
    assert float(hard_classes(ids, w).number()) == 2


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_zero_weights_give_zero(name, ask, omega):
    z, ids, _ = batch(6, 10, 3)
    value, gradient = value_and_gradient(lambda t: ask(hard_classes(ids, np.zeros(6, "float32")), t), z)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_order_and_ids_of_classes_do_not_matter(name, ask, omega):
    z, ids, rng = batch(30, 9, 4)
    order = rng.permutation(30)
    names = np.array([7, -100, 2**31 - 1, 0], "int32")
    expected = float(ask(hard_classes(ids), ops.convert_to_tensor(z)))
    found = float(ask(hard_classes(names[ids][order]), ops.convert_to_tensor(z[order])))
    assert found == pytest.approx(expected, rel=1e-5)


def covariances(z, ids):
    """Return the sum of squared off-diagonal covariances and its gradient 4 C y / n, in float64."""
    z = z.astype(np.float64)
    value, gradient = 0.0, np.zeros_like(z)
    for k in np.unique(ids):
        rows = z[ids == k] - z[ids == k].mean(axis=0)
        off = rows.T @ rows / len(rows)
        np.fill_diagonal(off, 0)
        value += (off**2).sum()
        gradient[ids == k] = 4 * rows @ off / len(rows)
    return value, gradient


@pytest.mark.parametrize(
    ("tiling", "classes"),
    [(within_class_products.ON_CPU, classes) for classes in (1, 2, 7, 60, 1000)]
    + [(other, 7) for other in (within_class_products.Tiling(100, 128), within_class_products.ON_ACCELERATOR)],
    ids=str,
)
@pytest.mark.parametrize(("samples", "units"), [(129, 200), (192, 20), (300, 40), (321, 9)])
def test_tiles_match_the_whole(samples, units, classes, tiling, monkeypatch):
    # More samples than fit in one CPU tile, on both sides of M = N, with classes larger and smaller than a tile.
    assert within_class_products.ON_CPU.one < samples <= within_class_products.ON_ACCELERATOR.one
    monkeypatch.setattr(within_class_products, "tiling", lambda rows: tiling)
    z, ids, _ = batch(samples, units, classes)
    value, gradient = value_and_gradient(lambda t: hard_classes(ids).squared_off_diagonal_sum(t), z)
    expected, expected_gradient = covariances(z, ids)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-4 * np.abs(expected_gradient).max())


def test_several_large_tiles(monkeypatch):
    monkeypatch.setattr(
        within_class_products,
        "tiling",
        lambda rows: within_class_products.Tiling(within_class_products.ON_ACCELERATOR.rows, 128),
    )
    for units in (9, 2000):  # via covariances, and via inner products
        z, ids, _ = batch(1100, units, 3)
        value, gradient = value_and_gradient(lambda t, ids=ids: hard_classes(ids).squared_off_diagonal_sum(t), z)
        expected, expected_gradient = covariances(z, ids)
        assert value == pytest.approx(expected, rel=1e-4)
        largest = np.abs(expected_gradient).max()
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-4 * largest)


def test_tiles_are_larger_on_an_accelerator(monkeypatch):
    rows = ops.ones((300, 4))
    if keras.backend.backend() == "torch":
        here, there = SimpleNamespace(device=torch_device("cpu")), SimpleNamespace(device=torch_device("cuda"))
    else:
        here, there = rows, rows
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "cpu:1"])
    assert within_class_products.tiling(here) == within_class_products.ON_CPU
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert within_class_products.tiling(there) == within_class_products.ON_ACCELERATOR


def torch_device(name):
    import torch

    return torch.device(name)


@settings(max_examples=4 if keras.backend.backend() == "jax" else 15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 150), min_size=1, max_size=5),
    units=st.sampled_from([9, 70, 300]),
    seed=st.integers(0, 10**6),
)
def test_tiles_of_unbalanced_classes(sizes, units, seed):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype("int32")
    z = rng.normal(size=(len(ids), units)).astype("float32")
    value, gradient = value_and_gradient(lambda t: hard_classes(ids).squared_off_diagonal_sum(t), z)
    expected, expected_gradient = covariances(z, ids)
    assert value == pytest.approx(expected, rel=1e-3, abs=1e-5)
    scale = np.abs(expected_gradient).max()
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-2, atol=1e-3 * scale + 1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has unknown shapes")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS[:4], ids=NAMES[:4])
def test_unknown_number_of_samples(name, ask, omega, jit_compile):
    import tensorflow as tf

    z, ids, _ = batch(150, 20, 4)
    signature = [tf.TensorSpec((None, 20)), tf.TensorSpec((None,), tf.int32)]

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def compiled(z, ids):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = ask(HardClasses(ids, "float32"), z)
        return value, tape.gradient(value, z)

    expected, expected_gradient = value_and_gradient(lambda t: ask(hard_classes(ids), t), z)
    value, gradient = compiled(z, ids)
    assert float(value) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-4 * np.abs(expected_gradient).max())


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_double_precision(name, ask, omega):
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 by default")
    z, ids, _ = batch(140, 12, 3)
    z = z.astype("float64")
    expected = reference.soft_classwise(omega, z, np.eye(3)[ids])
    # Keras computes segment sums in float32 on PyTorch.
    precision = 1e-6 if keras.backend.backend() == "torch" else 1e-8
    found = ask(HardClasses(ops.convert_to_tensor(ids), "float64"), ops.convert_to_tensor(z))
    assert float(found) == pytest.approx(expected, rel=precision)


@pytest.mark.parametrize(("units", "by_covariance"), [(9, True), (300, False)])
def test_cheaper_product_is_used(units, by_covariance, monkeypatch):
    used = []
    original = within_class_products._Tiles.product

    def recording(tiles, by_covariance):
        used.append(by_covariance)
        return original(tiles, by_covariance)

    monkeypatch.setattr(within_class_products._Tiles, "product", recording)
    monkeypatch.setattr(within_class_products, "tiling", lambda rows: within_class_products.ON_CPU)
    z, ids, _ = batch(200, units, 3)
    hard_classes(ids).squared_off_diagonal_sum(ops.convert_to_tensor(z))
    assert set(used) == {by_covariance}
