"""Binned mutual information: counting by hand, limits, and edge cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_repreg.information import binned_mutual_information
from tests.information.cases import clusters


def entropy(items):
    share = [items.count(item) / len(items) for item in set(items)]
    return -sum(p * math.log(p) for p in share)


def by_hand(z, labels, width, start=0.0):
    rows = [tuple(math.floor((v - start) / width) for v in row) for row in z.tolist()]
    conditional = 0.0
    for k in set(labels.tolist()):
        of_class = [row for row, label in zip(rows, labels, strict=True) if label == k]
        conditional += len(of_class) / len(rows) * entropy(of_class)
    return entropy(rows), entropy(rows) - conditional


@pytest.mark.parametrize("width", [0.1, 0.5, 3.0])
def test_bin_width_matches_counting_by_hand(width):
    z, labels = clusters(samples=100)
    z = z - 0.7
    result = binned_mutual_information(z, labels, bin_width=width)
    assert (result.zx, result.zy) == pytest.approx(by_hand(z, labels, width), rel=1e-12)
    assert result.bin_width == width


@pytest.mark.parametrize("bins", [1, 4, 30])
def test_number_of_bins_matches_counting_by_hand(bins):
    z, labels = clusters(samples=100)
    width = (z.max() - z.min()) / bins
    result = binned_mutual_information(z, labels, bins)
    # The maximum belongs to the last bin, not to an additional one.
    inside = np.minimum(z, z.max() - width / 2)
    assert (result.zx, result.zy) == pytest.approx(by_hand(inside, labels, width, z.min()), rel=1e-12)
    assert result.bin_width == pytest.approx(width)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000), st.sampled_from([1e-9, 0.5, 1e9]))
def test_information_stays_within_its_limits(samples, units, seed, width):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(samples, units)), rng.integers(0, 3, samples)
    for result in (
        binned_mutual_information(z, labels, bin_width=width),
        binned_mutual_information(z, labels, 1 + seed % 7),
    ):
        assert 0 <= result.zx <= math.log(samples)
        assert 0 <= result.zy <= min(result.label_entropy, result.zx + 1e-12)


def test_separated_classes_have_maximal_information():
    z, labels = np.repeat([[-1.0], [1.0]], 8, axis=0), np.repeat(["a", "b"], 8)
    result = binned_mutual_information(z, labels, information_unit="bits")
    assert (result.zx, result.zy, result.label_entropy) == pytest.approx((1, 1, 1))
    assert str(result).endswith("bits, bin width = 0.0666667, N = 16")


def test_negative_zero_shares_the_bin_of_zero():
    assert binned_mutual_information([[0.0], [-0.0]], [0, 1], bin_width=0.5).zx == 0


@pytest.mark.parametrize("z", [np.zeros((1, 2)), np.full((20, 2), 3.3)], ids=["one sample", "constant"])
def test_degenerate_activations_give_zero_information(z):
    for arguments in ({}, {"bin_width": 0.5}):
        result = binned_mutual_information(z, np.arange(len(z)), **arguments)
        assert (result.zx, result.zy) == (0, 0)


def test_saturation_is_flagged():
    z, labels = clusters()
    assert binned_mutual_information(z + np.arange(60)[:, None], labels, bin_width=0.01).zx_saturated
    assert not binned_mutual_information(z, labels, 2).zx_saturated


def test_invalid_arguments_raise():
    z, labels = clusters()
    for bins in (0, 2.5, True, "30"):
        with pytest.raises(ValueError, match=f"Received: bins={bins!r}"):
            binned_mutual_information(z, labels, bins)
    with pytest.raises(ValueError, match="Received: bin_width=0"):
        binned_mutual_information(z, labels, bin_width=0)
    with pytest.raises(ValueError, match="Received: information_unit='dits'"):
        binned_mutual_information(z, labels, information_unit="dits")
    with pytest.raises(ValueError, match="NaN or infinite"):
        binned_mutual_information([[math.nan]], [0])
