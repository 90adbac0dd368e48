"""Entropy bounds: the formula, numerical integration, and edge cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_repreg.information import EntropyBounds, entropy_bounds
from tests.information.cases import clusters, integral_entropy
from tests.reference import information


def noise_entropy(units, noise_variance):
    return units / 2 * math.log(2 * math.pi * math.e * noise_variance)


@pytest.mark.parametrize("noise_variance", [0.01, 0.3, 5.0])
def test_against_the_formula(noise_variance):
    z, labels = clusters()
    expected = information(z, labels, noise_variance)
    bounds = entropy_bounds(z, noise_variance)
    of_noise = noise_entropy(4, noise_variance)
    assert bounds == pytest.approx((of_noise + expected["zx_lower"], of_noise + expected["zx_upper"]), rel=1e-12)
    assert isinstance(bounds, EntropyBounds)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=6),
    st.sampled_from([0.05, 0.3, 2.0]),
)
def test_entropy_lies_between_the_bounds(points, noise_variance):
    z = np.array(points)
    lower, upper = entropy_bounds(z[:, None], noise_variance)
    assert lower - 1e-6 <= integral_entropy(z, noise_variance) <= upper + 1e-6


def test_bounds_are_exact_for_equal_or_distant_activations():
    z = np.repeat([[0.0, 0.0], [300.0, 0.0], [0.0, 900.0], [7e5, 7e5]], 5, axis=0)
    lower, upper = entropy_bounds(z, 2.0)
    assert lower == pytest.approx(noise_entropy(2, 2.0) + math.log(4), rel=1e-12)
    assert upper == pytest.approx(lower, rel=1e-12)


@pytest.mark.parametrize("z", [np.zeros((1, 3)), np.full((50, 3), 0.1), np.ones((4, 3), dtype="float16")])
def test_equal_activations_give_the_entropy_of_the_noise(z):
    assert entropy_bounds(z, 0.5) == pytest.approx((noise_entropy(3, 0.5),) * 2, abs=1e-12)


def test_all_axes_but_the_first_are_units():
    z = np.random.default_rng(0).normal(size=(10, 2, 3))
    assert entropy_bounds(z, 0.1) == entropy_bounds(z.reshape(10, 6), 0.1)


@pytest.mark.parametrize("variance", [0, -1, math.nan, math.inf, "0.1", None, True])
def test_invalid_variances_raise(variance):
    with pytest.raises(ValueError, match=f"Received: noise_variance={variance!r}"):
        entropy_bounds(np.ones((3, 2)), variance)


@pytest.mark.parametrize(
    "z", [np.ones(3), np.ones((0, 3)), np.ones((3, 0)), 1.0, np.array([["a", "b"]]), np.ones((2, 2), complex)], ids=repr
)
def test_invalid_activations_raise(z):
    with pytest.raises(ValueError, match="Received: shape"):
        entropy_bounds(z, 0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nonfinite_activations_raise(value):
    with pytest.raises(ValueError, match="Received: 1 NaN or infinite"):
        entropy_bounds([[0.0, value]], 0.1)


def test_activations_out_of_range_raise():
    for z, variance in ((np.array([[0.0], [1e200]]), 0.1), (np.array([[0.0], [1e10]]), 1e-300)):
        with pytest.raises(ValueError, match="Received: squared norms"):
            entropy_bounds(z, variance)
