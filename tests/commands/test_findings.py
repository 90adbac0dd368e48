"""Findings about layers, and their order."""

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


def texts(*arguments, **options):
    return [finding.text for finding in found(*arguments, **options)]


def normal(units, samples=500):
    return np.random.default_rng(0).normal(size=(samples, units))


def test_independent_units_have_no_findings():
    assert found(normal(8), np.arange(500) % 4, noise_variance=10.0) == []


def test_dead_units_are_counted():
    z = normal(8)
    z[:, [2, 5]] = 0
    (finding,) = found(z)
    assert finding.text == "2 of 8 units are dead (25%), zero for every sample: 2, 5."
    assert (finding.level, finding.title, finding.brief) == ("major", "Dead units", "2 of 8")
    z[:, 5] = 1
    (finding,) = found(z)
    assert finding.text == "1 of 8 units are dead (12%), zero for every sample: 2."
    assert finding.level == "minor"


def test_only_the_first_of_many_dead_units_are_listed():
    z = normal(40)
    z[:, :30] = 0
    listed = ", ".join(map(str, range(20)))
    assert texts(z)[0] == f"30 of 40 units are dead (75%), zero for every sample: {listed} and 10 more."


def test_collapsed_rank_and_correlated_units_are_reported():
    z = normal(1) * np.linspace(1, 2, 30) + 0.01 * normal(30)
    rank, pairs = sorted(found(z), key=lambda finding: finding.title, reverse=True)
    assert rank.text.startswith(
        "Rank has collapsed: 1 direction carries 95% of the variance of 30 units, 30 of which are alive."
    )
    assert rank.brief == "effective rank 1.00 of 30"
    assert pairs.text.startswith("435 pairs of units have an absolute correlation above 0.95 (100% of the pairs")
    assert [rank.level, pairs.level] == ["major", "major"]
    z = normal(9)
    z = np.concatenate([z, -3 * z[:, :1]], axis=1)
    (pair,) = found(z)
    assert pair.text.startswith("1 pair of units has an absolute correlation")
    assert pair.text.endswith("units 0 and 9, at 1.000.")
    assert pair.level == "minor"


def test_layer_without_variance_is_reported():
    (constant,) = found(np.ones((10, 4)))
    assert constant.text == "Nothing varies: every sample has the same representation."
    assert constant.level == "broken"


def test_sparse_collapsed_and_saturated_layers_are_reported():
    z = np.zeros((500, 8))
    z[np.arange(40), np.arange(40) % 8] = 1 + np.random.default_rng(0).random(40)
    assert "Sparse: 99% of all activations are exactly zero." in texts(z)
    labels = np.arange(500) % 5
    collapsed = np.eye(5)[labels] + 1e-3 * normal(5)
    assert any(text.startswith("Classes have collapsed onto their means: NC1 is") for text in texts(collapsed, labels))
    *_, saturated = found(100 * normal(8), noise_variance=0.1)
    assert saturated.text == "I(z;x) is at its cap: 6.215 of at most log N = 6.215 nats, N = 500 samples."
    assert saturated.level == "measurement"
    assert "larger noise variance" in saturated.advice


def test_most_severe_finding_comes_first():
    """Notes on the measurement itself come last."""
    z = np.zeros((500, 40))
    z[:, :2] = 100 * np.abs(normal(2))
    ordered = found(z, noise_variance=0.1)
    assert [finding.level for finding in ordered] == ["major", "major", "minor", "measurement"]
    assert [finding.title for finding in ordered][2:] == ["Sparse", ordered[-1].title]
    severities = [finding.severity for finding in ordered]
    assert severities == sorted(severities, reverse=True)
    dead = found(np.zeros((10, 4)))
    assert [finding.level for finding in dead] == ["broken", "broken", "minor"]
    assert dead[0].title in ("All units are dead", "Nothing varies")


def test_correlation_excludes_constant_units():
    z = normal(3)
    z[:, 1] = 4.0
    accumulator = Characteristics(False)
    accumulator.update(z)
    correlation = correlation_of(accumulator)
    assert np.isnan(correlation[1]).all()
    np.testing.assert_allclose(correlation[0, 2], np.corrcoef(z[:, [0, 2]].T)[0, 1])
