"""What is said of layers of which it is known what stands out."""

import numpy as np

from keras_repreg.characteristics import Characteristics
from keras_repreg.commands.findings import correlation_of, findings
from keras_repreg.information import mutual_information


def found(z, labels=None, noise_variance=None):
    accumulator = Characteristics(bool((z >= 0).all()), "all")
    accumulator.update(z, labels)
    told = None
    if noise_variance is not None:
        told = mutual_information(z, np.zeros(len(z), int), noise_variance)
    return findings(accumulator.result(), accumulator, told)


def normal(units, samples=500):
    return np.random.default_rng(0).normal(size=(samples, units))


def test_nothing_stands_out_of_independent_units():
    assert found(normal(8), np.arange(500) % 4, noise_variance=10.0) == []


def test_dead_units_are_counted():
    z = normal(8)
    z[:, [2, 5]] = 0
    assert found(z) == ["2 of 8 units are dead (25%), zero for every sample: 2, 5."]
    z[:, 5] = 1
    assert found(z) == ["1 of 8 unit is dead (12%), zero for every sample: 2."]


def test_many_dead_units_are_named_by_the_first_of_them():
    z = normal(40)
    z[:, :30] = 0
    dead = found(z)[0]
    assert (
        dead == f"30 of 40 units are dead (75%), zero for every sample: {', '.join(map(str, range(20)))} and 10 more."
    )


def test_collapsed_rank_and_correlated_units():
    z = normal(1) * np.linspace(1, 2, 30) + 0.01 * normal(30)
    rank, pairs = found(z)
    assert rank.startswith("Rank has collapsed: 1 direction carries 95% of the variance of 30 units, 30 of them alive.")
    assert pairs.startswith("435 pairs of units are correlated above 0.95 in absolute value (100% of the pairs")
    z = normal(9)
    z = np.concatenate([z, -3 * z[:, :1]], axis=1)
    (pair,) = found(z)
    assert pair.startswith("1 pair of units is correlated")
    assert pair.endswith("units 0 and 9, at 1.000.")


def test_nothing_varies():
    assert found(np.ones((10, 4)))[-1].startswith("Nothing varies")


def test_sparse_collapsed_and_saturated():
    z = np.zeros((500, 8))
    z[np.arange(40), np.arange(40) % 8] = 1 + np.random.default_rng(0).random(40)
    assert any(text.startswith("Sparse: 99% of all activations") for text in found(z))
    labels = np.arange(500) % 5
    collapsed = np.eye(5)[labels] + 1e-3 * normal(5)
    assert any(text.startswith("Classes have collapsed onto their means: NC1 is") for text in found(collapsed, labels))
    saturated = found(100 * normal(8), noise_variance=0.1)
    assert any(
        "I(z;x) is at its cap: it is 6.215 nats, and log N for N = 500 samples is 6.215" in text for text in saturated
    )


def test_correlation_leaves_out_what_does_not_vary():
    z = normal(3)
    z[:, 1] = 4.0
    accumulator = Characteristics(False)
    accumulator.update(z)
    correlation = correlation_of(accumulator)
    assert np.isnan(correlation[1]).all()
    np.testing.assert_allclose(correlation[0, 2], np.corrcoef(z[:, [0, 2]].T)[0, 1])
