"""Chance levels for independent data, and the unbiased participation ratio."""

import itertools

import numpy as np
import pytest

import keras_repreg
from keras_repreg.characteristics import CHARACTERISTICS, Characteristics, chance

WITH_CHANCE = [name for name, one in CHARACTERISTICS.items() if one.chance]


def normal(samples, units=100, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, units))


def at_chance(z, labels=None, names=("correlation",), positive_only=False, batch=None):
    accumulator = Characteristics(positive_only, list(names), chance=True)
    for start in range(0, len(z), batch or len(z)):
        part = slice(start, start + (batch or len(z)))
        accumulator.update(z[part], None if labels is None else labels[part])
    return accumulator.result()


@pytest.mark.parametrize("samples", [20, 100, 1000])
def test_independent_units_are_at_chance(samples):
    # The bias is so large that only the comparison with chance shows that nothing is correlated.
    found = at_chance(normal(samples), names=["correlation", "stable_rank", "participation_ratio"])
    for name in ("correlation", "stable_rank", "participation_ratio"):
        assert found[f"{name}_at_chance"] == pytest.approx(found[name], rel=0.08)
    # E|r| of two independent normal variables.
    assert found["correlation_at_chance"] == pytest.approx(np.sqrt(2 / (np.pi * samples)), rel=0.05)


def test_correlated_units_exceed_chance():
    z = normal(200, 20) + normal(200, 1, seed=1)
    found = at_chance(z, names=["correlation", "effective_rank"])
    assert found["correlation"] > 5 * found["correlation_at_chance"]
    assert found["effective_rank"] < found["effective_rank_at_chance"] - 5


def test_shuffling_keeps_the_marginal_distributions():
    z = np.maximum(normal(150, 6), 0) * np.arange(1, 7)
    sample = chance.MarginSample()
    for start in range(0, 150, 40):
        sample.update(z[start : start + 40])
    (batch,) = sample.independent_units(150)
    np.testing.assert_array_equal(np.sort(batch, axis=0), np.sort(z, axis=0))
    assert not np.array_equal(batch, z)


def test_shuffling_keeps_classes_and_samples():
    z, labels = normal(60, 4), np.repeat([5, 7, 9], [10, 20, 30])
    sample = chance.MarginSample()
    sample.update(z)
    ((rows, classes),) = sample.shuffled_labels([5, 7, 9], np.array([10, 20, 30]))
    assert np.bincount(classes).tolist() == [10, 20, 30]
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(z, axis=0))
    z[labels == 7] += 3
    found = at_chance(z, labels, ["nc1", "cdnv", "between_class_variance"])
    assert found["nc1"] < found["nc1_at_chance"] / 3
    assert found["cdnv"] < found["cdnv_at_chance"] / 3
    assert found["between_class_variance"] > 3 * found["between_class_variance_at_chance"]


@pytest.mark.parametrize("name", WITH_CHANCE)
def test_batching_and_merging_do_not_matter(name):
    z, labels = np.maximum(normal(60, 5), 0), np.arange(60) % 3
    expected = at_chance(z, labels, [name], True)
    assert list(expected) == [name, f"{name}_at_chance"]
    streamed = at_chance(z, labels, [name], True, batch=7)
    merged = Characteristics(True, [name], chance=True)
    for start, stop in itertools.pairwise([60, 41, 20, 0]):
        other = Characteristics(True, [name], chance=True)
        other.update(z[stop:start], labels[stop:start])
        merged.merge(other)
    for found in (streamed, merged.result()):
        assert found[f"{name}_at_chance"] == pytest.approx(expected[f"{name}_at_chance"], rel=1e-7)


def test_random_subset_of_many_samples_is_kept(monkeypatch):
    monkeypatch.setattr(chance, "KEPT", 200)
    z = np.sort(normal(5000, 8), axis=0)  # the first samples differ from the others
    one, two = chance.MarginSample(), chance.MarginSample()
    for start in range(0, 5000, 333):
        one.update(z[start : start + 333])
    two.update(z)
    np.testing.assert_array_equal(one._rows, two._rows)
    assert one._rows.shape == (200, 8)
    assert abs(one._rows.mean()) < 0.3
    found = at_chance(z, np.arange(5000) % 2, ["correlation", "nc1"])
    assert found["correlation"] == pytest.approx(1, abs=0.01)
    assert found["correlation_at_chance"] == pytest.approx(np.sqrt(2 / (np.pi * 5000)), rel=0.5)
    assert sum(map(len, one.independent_units(5000))) == 5000


def test_same_seed_gives_the_same_values():
    assert at_chance(normal(50, 5)) == at_chance(normal(50, 5))


def test_merging_different_chance_settings_raises():
    with pytest.raises(ValueError, match="chance=True.*chance=False"):
        Characteristics(chance=True).merge(Characteristics())
    with pytest.raises(TypeError, match="chance=1"):
        Characteristics(chance=1)


def test_characterize_reports_chance_and_nan_after_nonfinite_values():
    z = normal(30, 4)
    found = keras_repreg.characterize(z, chance=True)
    assert {"correlation_at_chance", "covariance_at_chance", "stable_rank_at_chance"} < set(found)
    accumulator = Characteristics(characteristics=["correlation"], chance=True)
    accumulator.update(np.array([[np.nan, 1.0]]))
    assert np.isnan(list(accumulator.result().values())).all()
    assert set(Characteristics(chance=True).result().values()) == {0.0}


@pytest.mark.parametrize("samples", [20, 50, 100, 1000])
def test_participation_ratio_is_unbiased(samples):
    # Isotropic data, for which the true value is the number of units.
    ratios, biased = [], []
    for seed in range(21):
        found = keras_repreg.characterize(
            normal(samples, 100, seed),
            positive_only=False,
            characteristics=["participation_ratio", "unbiased_participation_ratio"],
        )
        ratios.append(found["unbiased_participation_ratio"])
        biased.append(found["participation_ratio"])
    assert np.median(ratios) == pytest.approx(100, rel=0.05)
    assert np.median(biased) < 100 / (1 + 80 / samples)


@pytest.mark.parametrize("draw", ["exponential", "laplace", "uniform"])
def test_participation_ratio_is_unbiased_for_any_distribution(draw):
    rng = np.random.default_rng(0)
    scales = np.linspace(0.2, 2, 60)
    variances = scales**2  # up to a factor that cancels in the ratio
    truth = variances.sum() ** 2 / (variances**2).sum()
    draws = [
        keras_repreg.characterize(
            getattr(rng, draw)(size=(30, 60)) * scales, None, False, characteristics="unbiased_participation_ratio"
        )["unbiased_participation_ratio"]
        for _ in range(41)
    ]
    assert np.median(draws) == pytest.approx(truth, rel=0.05)
