"""Each characteristic against a loop over pairs; batch by batch, merged, and at large means."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_repreg
from keras_repreg.characteristics import Characteristics
from tests import reference


def activations(samples, units, seed=0, mean=0.2, std=1.0):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(mean, std, size=(samples, units)), 0)


def assert_close(found, expected, rel=1e-9):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=rel, abs=1e-12), name


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("shape", [(40, 6), (5, 12), (2, 3), (1, 4), (6, 1)], ids=str)
def test_against_a_loop_over_pairs(shape, positive_only):
    z = activations(*shape)
    found = keras_repreg.characterize(z, positive_only=positive_only)
    assert_close(found, reference.characteristics(z, positive_only))


def test_large_mean_costs_no_digits():
    z = activations(60, 5, mean=1000.0)
    for positive_only in (True, False):
        found = keras_repreg.characterize(z, positive_only=positive_only)
        assert_close(found, reference.characteristics(z, positive_only), rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 30),
    units=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 10**6),
    mean=st.sampled_from([-2.0, 0.0, 1000.0]),
    positive_only=st.booleans(),
    merge=st.booleans(),
)
def test_batch_by_batch_merged_in_any_order_and_all_at_once_agree(
    samples, units, cuts, seed, mean, positive_only, merge
):
    z = activations(samples, units, seed, mean)
    labels = np.random.default_rng(seed).integers(0, 3, samples)
    bounds = [0, *sorted(min(cut, samples) for cut in cuts), samples]
    parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    whole = Characteristics(positive_only)
    whole.update(z, labels)
    total = Characteristics(positive_only)
    for part in reversed(parts):
        if merge:
            other = Characteristics(positive_only)
            other.update(z[part], labels[part])
            total.merge(other)
        else:
            total.update(z[part], labels[part])
    assert_close(total.result(), whole.result(), rel=1e-7)
    expected = reference.characteristics(z, positive_only)
    assert_close({name: total.result()[name] for name in expected}, expected, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(samples=st.integers(1, 30), units=st.integers(1, 10), seed=st.integers(0, 10**6), mean=st.floats(-3, 1))
def test_dead_units_are_bounded_by_sparsity_and_rank(samples, units, seed, mean):
    # Eq. 5 and 6: P_d <= P_s, and M P_d <= M - r for the rank, hence for the stable rank, which is smaller.
    z = activations(samples, units, seed, mean)
    found = keras_repreg.characterize(z)
    assert found["dead_units"] <= found["sparsity"] + 1e-12
    rank = np.linalg.matrix_rank(np.cov(z.T, bias=True).reshape(units, units))
    assert units * found["dead_units"] <= units - rank + 1e-9
    assert found["stable_rank"] <= rank + 1e-6


def test_all_zero_is_all_zero_but_sparsity_and_dead_units():
    found = keras_repreg.characterize(np.zeros((5, 3)))
    expected = dict.fromkeys(found, 0.0) | {"sparsity": 1.0, "dead_units": 1.0}
    assert found == expected


def test_constant_units_have_no_correlation():
    z = np.ones((10, 3)) * 0.1
    z[:, 2] = np.linspace(1, 2, 10)
    assert keras_repreg.characterize(z)["correlation"] == 0.0


def test_perfectly_correlated_units():
    z = np.linspace(1, 2, 10)[:, None] * np.array([1.0, 3.0, 0.5])
    assert keras_repreg.characterize(z)["correlation"] == pytest.approx(1.0)
    assert keras_repreg.characterize(z)["stable_rank"] == pytest.approx(1.0)


def test_class_variances_sum_to_the_variance():
    z, labels = activations(30, 4), np.random.default_rng(1).integers(0, 3, 30)
    found = keras_repreg.characterize(z, labels)
    expected = np.mean([part.var(axis=0) * len(part) for part in reference.by_class(z, labels)], axis=1).sum() / 30
    assert found["within_class_variance"] == pytest.approx(expected)
    assert found["within_class_variance"] + found["between_class_variance"] == pytest.approx(z.var(axis=0).mean())
    one_hot = keras_repreg.characterize(z, np.eye(3)[labels])
    assert_close(one_hot, found)


def test_positions_count_as_samples():
    z = activations(24, 3).reshape(4, 3, 2, 3)
    assert_close(keras_repreg.characterize(z), keras_repreg.characterize(z.reshape(24, 3)))
    labels = np.array([0, 1, 0, 2])
    flat = keras_repreg.characterize(z.reshape(24, 3), np.repeat(labels, 6))
    assert_close(keras_repreg.characterize(z, labels), flat)


@pytest.mark.parametrize(
    ("z", "labels"),
    [
        (np.ones(3), None),
        (np.array([["a", "b"]]), None),
        (np.array([[1.0, np.nan]]), None),
        (np.array([[1.0, np.inf]]), None),
        (np.ones((0, 3)), None),
        (np.ones((4, 3)), np.zeros(3)),
        (np.ones((4, 3)), np.zeros((4, 2, 2))),
    ],
    ids=["rank", "dtype", "nan", "infinite", "empty", "labels", "labels rank"],
)
def test_wrong_input(z, labels):
    with pytest.raises(ValueError, match="Received: "):
        keras_repreg.characterize(z, labels)


def test_unequal_accumulators_do_not_merge():
    with pytest.raises(ValueError, match="positive_only=True"):
        Characteristics(True).merge(Characteristics(False))
