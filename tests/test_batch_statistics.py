"""Batch statistics with sample weights."""

import numpy as np
import pytest
from keras import ops

from keras_repreg import batch_statistics
from tests import reference
from tests.classes.cases import value_and_gradient

CASES = [
    ("covariance", lambda z, w: batch_statistics.squared_off_diagonal_sum(z, w), reference.weighted_cr),
    ("variance", lambda z, w: batch_statistics.variance_sum(z, w), reference.weighted_vr),
    ("absolute", lambda z, w: batch_statistics.absolute_sum(z, w), lambda z, w: float((np.abs(z) * w[:, None]).sum())),
    ("holder", lambda z, w: batch_statistics.stable_rank(z, "holder", w), reference.weighted_holder_rank),
    ("power", lambda z, w: batch_statistics.stable_rank(z, "power", w), reference.weighted_stable_rank),
    ("svd", lambda z, w: batch_statistics.stable_rank(z, "svd", w), reference.weighted_stable_rank),
]
NAMES = [name for name, _, _ in CASES]


def batch(samples, units):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(samples, units)) + 0.3).astype("float32"), rng.uniform(0.2, 2, samples).astype("float32")


@pytest.mark.parametrize(("samples", "units"), [(12, 4), (9, 12), (12, 9)])
@pytest.mark.parametrize(("name", "ask", "omega"), CASES, ids=NAMES)
def test_weighted_value_and_gradient(name, ask, omega, samples, units):
    z, w = batch(samples, units)
    value, gradient = value_and_gradient(lambda t: ask(t, ops.convert_to_tensor(w)), z)
    exact, weight = z.astype(np.float64), w.astype(np.float64)
    assert value == pytest.approx(omega(exact, weight), rel=1e-4)
    expected = reference.finite_difference(lambda t: omega(t, weight), exact)
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "ask", "omega"), CASES, ids=NAMES)
def test_samples_of_weight_zero_have_no_effect(name, ask, omega):
    z, w = batch(12, 10)
    w = (w > 1).astype("float32")
    value, gradient = value_and_gradient(lambda t: ask(t, ops.convert_to_tensor(w)), z)
    expected, expected_gradient = value_and_gradient(lambda t: ask(t, None), z[w > 0])
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient[w > 0], expected_gradient, rtol=1e-3, atol=1e-5)
    assert not gradient[w == 0].any()


@pytest.mark.parametrize(("name", "ask", "omega"), CASES, ids=NAMES)
def test_zero_weights_give_zero(name, ask, omega):
    z, w = batch(6, 10)
    value, gradient = value_and_gradient(lambda t: ask(t, ops.zeros_like(ops.convert_to_tensor(w))), z)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("samples", "units", "route"), [(12, 9, "_by_covariance"), (9, 12, "_by_gram"), (3, 8, "_by_covariance")]
)
def test_smaller_matrix_is_used(samples, units, route, monkeypatch):
    # For few units it is the covariance, whose squares are summed directly.
    used = []
    routes = {name: getattr(batch_statistics, name) for name in ("_by_covariance", "_by_gram")}
    for name, original in routes.items():

        def recording(rows, name=name, original=original):
            used.append(name)
            return original(rows)

        monkeypatch.setattr(batch_statistics, name, recording)
    batch_statistics.squared_off_diagonal_sum(ops.convert_to_tensor(batch(samples, units)[0]))
    assert used == [route]


def test_small_covariances_beside_large_variances_keep_precision():
    z = np.random.default_rng(0).normal(size=(4000, 12)).astype("float32")
    c = np.cov(z.astype(np.float64).T, bias=True)
    expected = (c**2).sum() - (np.diag(c) ** 2).sum()
    assert float(batch_statistics.squared_off_diagonal_sum(ops.convert_to_tensor(z))) == pytest.approx(
        expected, rel=2e-5
    )


@pytest.mark.parametrize(("method", "decompositions"), [("svd", 1), ("power", 0)])
def test_only_svd_decomposes(method, decompositions, monkeypatch):
    calls = []
    decomposed = batch_statistics._decomposed
    monkeypatch.setattr(batch_statistics, "_decomposed", lambda *given: calls.append(1) or decomposed(*given))
    z, _ = batch(12, 5)
    assert float(batch_statistics.stable_rank(ops.convert_to_tensor(z), method)) == pytest.approx(
        reference.stable_rank(z.astype(np.float64)), rel=1e-4
    )
    assert len(calls) == decompositions
