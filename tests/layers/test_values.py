"""Value and gradient of each penalty against the paper's formula in float64."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_repreg
from tests import reference
from tests.layers.cases import CASES, CLASSWISE, batch, gradient, penalty

# The formula depends on N < M or N > M, and on the number of units.
SHAPES = [(12, 5, 3), (30, 12, 4), (10, 24, 3), (7, 2, 2), (9, 1, 3), (1, 4, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_is_the_papers(case, shape):
    z, labels = batch(*shape)
    layer = case.make(0.5)
    expected = 0.5 * case.oracle(z, labels)
    assert penalty(layer, z, labels if case.classwise else None) == pytest.approx(expected, rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalized_value_is_divided_by_the_number_of_terms(case, shape):
    z, labels = batch(*shape)
    layer = case.make(2.0, normalize=True)
    expected = 2.0 * case.normalized_oracle(z, labels)
    assert penalty(layer, z, labels if case.classwise else None) == pytest.approx(expected, rel=2e-5, abs=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_in_float64_is_the_papers(case):
    z, labels = batch(12, 5, 3)
    given = (z.astype("float64"), labels if case.classwise else None)
    expected = 0.5 * case.oracle(z, labels)
    assert penalty(case.make(0.5, dtype="float64"), *given) == pytest.approx(expected, rel=2e-5, abs=1e-6)
    assert gradient(case.make(0.5, dtype="float64"), *given).dtype == "float64"


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_num_classes_sets_the_divisor(case):
    z, labels = batch(12, 5, 3)
    expected = case.oracle(z, labels) / case.divisor(12, 5, 7)
    assert penalty(case.make(normalize=True, num_classes=7), z, labels) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("shape", [(8, 4, 2), (12, 10, 3), (6, 14, 2)], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_is_that_of_the_papers_formula(case, shape):
    # Without ReLU, because |z| has no derivative at its zeros.
    z, labels = batch(*shape, relu=False)
    expected = reference.finite_difference(lambda t: case.oracle(t, labels), z.astype(np.float64))
    found = gradient(case.make(), z, labels if case.classwise else None)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_of_abs_at_zero_is_zero(case):
    z, labels = batch(10, 6, 2)
    z[:, 0] = 0
    found = gradient(case.make(), z, labels if case.classwise else None)
    assert np.isfinite(found).all()
    if case.layer in (keras_repreg.L1Regularization,):
        np.testing.assert_array_equal(found, np.sign(z))
    if case.arguments.get("method") == "holder" or case.layer is keras_repreg.L1Regularization:
        assert not found[:, 0].any()


@pytest.mark.slow
# JAX recompiles every operation for each shape.
@settings(max_examples=8 if keras.backend.backend() == "jax" else 40, deadline=None)
@given(
    samples=st.integers(1, 20),
    units=st.integers(1, 15),
    classes=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_value_is_the_papers_for_any_batch(samples, units, classes, seed, scale):
    z, labels = batch(samples, units, classes, seed)
    z = z * np.float32(scale)
    for case in CASES:
        expected = case.oracle(z, labels)
        # Resolution of float32 for squares of this size.
        largest = float(np.abs(z).max(initial=0))
        noise = 1e-6 * largest**4 * units**2 if str(case).startswith(("Cov", "ClasswiseCov", "VC")) else 0
        # Resolution of angles of this size, times the largest value of a statistic.
        noise += 1e-6 * largest * units * samples if "SIG" in str(case) else 0
        found = penalty(case.make(), z, labels if case.classwise else None)
        assert found == pytest.approx(expected, rel=1e-3, abs=noise + 1e-6 * scale**2), str(case)


def test_no_holder_value_exceeds_the_stable_rank():
    # Eq. 9 is a lower bound of eq. 8.
    for seed in range(20):
        z, _ = batch(15, 9, 3, seed)
        holder = penalty(keras_repreg.RankRegularization(1.0), z)
        assert holder <= penalty(keras_repreg.RankRegularization(1.0, method="svd"), z) * (1 + 1e-5)


@pytest.mark.parametrize("method", ["power", "svd"])
def test_equal_singular_values(method):
    z = np.zeros((6, 4), "float32")
    z[0, 0] = z[1, 1] = z[2, 2] = 2.0
    layer = keras_repreg.RankRegularization(1.0, method=method)
    assert penalty(layer, z) == pytest.approx(3.0, rel=1e-4)
    assert np.isfinite(gradient(layer, z)).all()


@pytest.mark.parametrize("gap", [0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5])
def test_power_method_matches_the_decomposition_at_any_gap(gap):
    rng = np.random.default_rng(3)
    u, _ = np.linalg.qr(rng.normal(size=(40, 20)))
    v, _ = np.linalg.qr(rng.normal(size=(20, 20)))
    s = np.concatenate([[1.0, 1.0 - gap], np.linspace(0.5, 0.01, 18)])
    z = ((u * s) @ v.T).astype("float32")
    found = penalty(keras_repreg.RankRegularization(1.0, method="power"), z)
    assert found == pytest.approx(float((s**2).sum()), rel=1e-3)
