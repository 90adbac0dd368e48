"""Characteristics of every kind of batch are finite, within their bounds, and independent of order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_repreg
from keras_repreg import ion
from keras_repreg.characteristics import CHARACTERISTICS, Characteristics, stable_rank
from tests.stress.examples import KINDS, batches, examples, in_range_of

DTYPES = ("float64", "float32", "float16", "bfloat16", "int32", "uint8", "bool")


def as_dtype(z, dtype):
    if dtype == "bfloat16":
        return ops.cast(ops.convert_to_tensor(in_range_of(z, "float32").astype("float32")), dtype)
    if dtype in ("int32", "uint8", "bool"):
        return np.clip(z, 0, 200).astype(dtype)
    return in_range_of(z, dtype).astype(dtype)


@examples(60)
@given(data=st.data(), z=batches(), dtype=st.sampled_from(DTYPES), positive_only=st.booleans())
def test_every_characteristic_is_finite_and_within_its_bounds(data, z, dtype, positive_only):
    samples, units = z.shape
    classes = data.draw(st.integers(1, samples))
    labels = np.arange(samples) % classes
    found = keras_repreg.characterize(as_dtype(z, dtype), labels, positive_only, characteristics="all")
    assert set(found) == set(CHARACTERISTICS)
    for name, value in found.items():
        assert np.isfinite(value).all(), name
    rank_of_covariance = min(units, max(samples - 1, 1)) * (1 + 1e-9)
    assert 0 <= found["dead_units"] <= found["sparsity"] <= 1  # eq. 5
    assert 0 <= found["correlation"] <= 1 + 1e-12
    assert abs(found["signed_correlation"]) <= found["correlation"] * (1 + 1e-12) + 1e-15
    assert abs(found["signed_covariance"]) <= found["covariance"] * (1 + 1e-12) + 1e-300
    for name in ("stable_rank", "numerical_rank", "effective_rank", "participation_ratio"):
        assert 0 <= found[name] <= max(rank_of_covariance, 1), name
    assert found["rankme"] <= min(samples, units) * (1 + 1e-9) + 1e-9
    assert (np.diff(found["spectrum"]) <= 0).all()
    assert (found["spectrum"] >= 0).all()
    assert units * found["dead_units"] <= units - found["numerical_rank"] + 1e-9  # eq. 6
    whole = found["within_class_variance"] + found["between_class_variance"]
    assert whole == pytest.approx(found["variance"], rel=1e-6, abs=1e-300)


@examples(20)
@given(z=batches(smallest=2, kinds=("normal", "relu", "far off", "whole numbers")), seed=st.integers(0, 10**6))
def test_order_of_samples_and_of_units_does_not_matter(z, seed):
    rng = np.random.default_rng(seed)
    other = z[rng.permutation(len(z))][:, rng.permutation(z.shape[1])]
    names = [name for name, one in CHARACTERISTICS.items() if "classes" not in one.needs and name != "rankme"]
    one, two = (keras_repreg.characterize(part, characteristics=names) for part in (z, other))
    for name in names:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-6, atol=1e-8, err_msg=name)


@examples(20)
@given(z=batches(), bad=st.sampled_from([np.nan, np.inf, -np.inf]), seed=st.integers(0, 10**6))
def test_nonfinite_values_raise_and_make_an_accumulator_nan(z, bad, seed):
    z.flat[seed % z.size] = bad
    with pytest.raises(ValueError, match="Received: 1 NaN or infinite"):
        keras_repreg.characterize(z)
    accumulator = Characteristics()
    accumulator.update(z)
    assert not accumulator.finite
    assert np.isnan(list(accumulator.result().values())).all()


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "<U3", "object"])
def test_nonreal_values_raise(dtype):
    z = np.ones((4, 3)).astype(dtype)
    with pytest.raises(ValueError, match="Received: "):
        keras_repreg.characterize(z)
    if dtype != "object":  # booleans and integers are numbers here
        with pytest.raises(ValueError, match="Received: "):
            stable_rank(z[:3])


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("offset", [1e6, 1e8, -1e8, 1e10])
def test_correlation_far_from_zero(offset, positive_only):
    """Float64 resolves a variance beside a mean for which float32 would lose it."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    expected = abs(np.corrcoef(z.T)[0, 1])
    found = keras_repreg.characterize(z + offset, positive_only=positive_only and offset > 0)
    assert found["correlation"] == pytest.approx(expected, rel=1e-9 * abs(offset) / 1e3)


def test_units_constant_up_to_float32_rounding_have_no_correlation():
    rng = np.random.default_rng(0)
    z = np.float32(1e6) + rng.integers(0, 2, (400, 2)).astype("float32") * np.float32(0.0625)
    for one in (z, z.astype("float64")):
        assert keras_repreg.characterize(one)["correlation"] == 0


def test_units_that_are_zero_at_first_and_large_later():
    rng = np.random.default_rng(0)
    late = 1e7 + rng.normal(size=(1500, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    expected = abs(np.corrcoef(late.T)[0, 1])
    z = np.concatenate([np.zeros((3000, 2)), late])
    one = Characteristics()
    one.update(z)
    parts = [Characteristics(), Characteristics()]
    parts[0].update(z[:2000])
    parts[1].update(z[2000:])
    parts[0].merge(parts[1])
    for found in (one, parts[0]):
        assert found.result()["correlation"] == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(found.moments.covariance, np.cov(z.T, bias=True), rtol=1e-9)


@examples(20)
@given(z=batches(smallest=2, units=8, kinds=tuple(kind for kind in KINDS if kind not in ("huge", "subnormal"))))
def test_whitening_matrix_is_finite_and_nonsingular(z):
    covariance = np.cov(z.T, bias=True).reshape(z.shape[1], z.shape[1])
    if not np.linalg.eigvalsh(covariance)[-1] > np.finfo(np.float64).tiny:
        with pytest.raises(ValueError, match="Received: "):
            ion.whitening_matrix(covariance)
        return
    q = ion.whitening_matrix(covariance)
    assert np.isfinite(q).all()
    assert np.linalg.cond(q) < 1e5
