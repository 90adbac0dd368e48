"""Mutual information of every kind of batch has ordered values and bounds, or raises a clear error."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_repreg.information import binned_mutual_information, entropy_bounds, mutual_information, noise_sweep
from tests.stress.examples import KINDS, batches, examples
from tests.stress.test_numbers import DTYPES, as_dtype

IN_RANGE = tuple(kind for kind in KINDS if kind not in ("huge", "any powers of ten"))
ROUNDING = 1e-9


@pytest.mark.slow
@examples(50)
@given(
    data=st.data(),
    z=batches(kinds=IN_RANGE),
    dtype=st.sampled_from(DTYPES),
    noise=st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 1e3, 1e12]),
    unit=st.sampled_from(["nats", "bits"]),
)
def test_bounds_are_in_order(data, z, dtype, noise, unit):
    samples = len(z)
    labels = np.arange(samples) % data.draw(st.integers(1, samples))
    found = mutual_information(as_dtype(z, dtype), labels, noise, unit)
    assert 0 <= found.zx_lower <= found.zx_upper <= found.sample_entropy + ROUNDING
    assert 0 <= found.zy_lower <= found.zy_upper <= found.label_entropy + ROUNDING
    assert found.label_entropy <= found.sample_entropy + ROUNDING
    assert np.isfinite([found.zy_lower_conventional, found.zy_upper_conventional]).all()
    for value, error, lower, upper in (
        (found.zx, found.zx_error, found.zx_lower, found.zx_upper),
        (found.zy, found.zy_error, found.zy_lower, found.zy_upper),
    ):
        assert error >= 0
        assert lower - 6 * error - ROUNDING <= value <= upper + 6 * error + ROUNDING
    assert mutual_information(as_dtype(z, dtype), None, noise, unit).zx_upper == pytest.approx(found.zx_upper, abs=1e-6)
    assert str(found)
    lower, upper = entropy_bounds(as_dtype(z, dtype), noise)
    assert math.isfinite(lower)
    assert lower <= upper < math.inf


@examples(20)
@given(z=batches(kinds=("huge", "any powers of ten", "far off", "large")), noise=st.sampled_from([1e-300, 1e-9, 1e300]))
def test_values_out_of_range_raise_or_are_finite(z, noise):
    try:
        found = mutual_information(z, np.zeros(len(z), int), noise)
    except ValueError as error:
        assert "Received: " in str(error)  # noqa: PT017
    else:
        assert 0 <= found.zx_lower <= found.zx_upper <= found.sample_entropy + ROUNDING
        assert np.isfinite([found.zx, found.zx_error, found.zy, found.zy_error]).all()


@examples(50)
@given(
    data=st.data(),
    z=batches(),
    bins=st.integers(1, 50),
    width=st.sampled_from([None, 1e-300, 1e-12, 0.5, 1e300]),
    unit=st.sampled_from(["nats", "bits"]),
)
def test_binned_information_stays_within_its_limits(data, z, bins, width, unit):
    labels = np.arange(len(z)) % data.draw(st.integers(1, len(z)))
    with np.errstate(over="ignore"):
        out_of_range = width is not None and not np.isfinite(np.abs(z).max() / width)
    if out_of_range:
        with pytest.raises(ValueError, match="Received: "):
            binned_mutual_information(z, labels, bins, width, unit)
        return
    found = binned_mutual_information(z, labels, bins, width, unit)
    assert 0 <= found.zy <= min(found.zx, found.label_entropy) + ROUNDING
    assert found.zx <= found.sample_entropy + ROUNDING
    assert str(found)


def test_too_many_bins_raise():
    with pytest.raises(ValueError, match="bin_width=1e-300"):
        binned_mutual_information([[1e10], [2.0]], [0, 1], bin_width=1e-300)
    with pytest.raises(ValueError, match="from -1.5e\\+308 to 1.5e\\+308"):
        binned_mutual_information([[-1.5e308], [1.5e308]], [0, 1])


def test_single_sample_gives_zero_and_is_not_saturated():
    z = [[1.0, 2.0]]
    assert not mutual_information(z, [0]).zx_saturated
    assert not binned_mutual_information(z, [0]).zx_saturated
    assert mutual_information(z, [0]).zx_upper == 0


@pytest.mark.parametrize("dtype", ["complex64", "<U3", "object"])
def test_nonreal_values_raise(dtype):
    z = np.ones((4, 3)).astype(dtype)
    for measure in (
        lambda: mutual_information(z, np.arange(4)),
        lambda: entropy_bounds(z, 1.0),
        lambda: binned_mutual_information(z, np.arange(4)),
        lambda: noise_sweep(z, np.arange(4), [1.0]),
    ):
        with pytest.raises(ValueError, match="Received: "):
            measure()
