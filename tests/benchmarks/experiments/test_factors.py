"""Data with a known number of factors, and smoke runs of Figures 2 and 3."""

import math

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.data import digest, load, load_mnist, load_pca_mnist, load_synthetic
from benchmarks.experiments.factors import SOURCES
from benchmarks.tables.aggregate import read_csv
from keras_repreg.regularizer_set import GRID


def test_synthetic_data_has_as_many_dimensions_as_factors():
    data = load_synthetic(10)
    assert [len(data.train), len(data.validation), len(data.test)] == [20_000, 5_000, 5_000]
    assert data.train.x.shape[1] == 1000
    assert data.train.x.dtype == np.float32
    for split in (data.train, data.validation, data.test):
        assert np.linalg.matrix_rank(split.x[:200].astype(np.float64), tol=1e-3) == 10
        counts = np.bincount(split.y, minlength=10)
        assert counts.min() > 0.08 * len(split)
    again = load_synthetic(10)
    np.testing.assert_array_equal(again.test.x, data.test.x)


def test_pca_mnist_keeps_only_the_first_components():
    data, mnist = load_pca_mnist(10), load_mnist()
    # Oracle: projection by an eigendecomposition of the training images' covariance.
    x = mnist.train.x.astype(np.float64)
    mean = x.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(x.T, bias=True))
    basis = directions[:, -10:]
    for split, original in ((data.train, mnist.train), (data.test, mnist.test)):
        expected = mean + (original.x[:500] - mean) @ basis @ basis.T
        np.testing.assert_allclose(split.x[:500], expected, atol=2e-3)
        np.testing.assert_array_equal(split.y, original.y)


def test_data_set_names_are_parsed():
    few = load("mnist:30")
    assert [len(split) for split in (few.train, few.validation, few.test)] == [30, 30, 30]
    np.testing.assert_array_equal(few.test.x, load("mnist").test.x[:30])
    assert len({digest(name) for name in ("mnist", "mnist:30", "mnist:31")}) == 3
    assert load("synthetic-12").train.x.shape == (20_000, 1000)


@pytest.mark.parametrize("name", ["synthetic-3", "synthetic-1001", "mnist-pca-0", "mnist-pca-785"])
def test_invalid_numbers_of_factors_raise(name):
    with pytest.raises(ValueError, match=rf"factors. Received: {name.rsplit('-', 1)[1]}$"):
        load(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "characteristic"), [("figure2", "sparsity"), ("figure3", "stable_rank")])
def test_smoke(name, characteristic, tmp_path):
    assert main([name, "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    rows = read_csv(tmp_path / "smoke" / f"{name}.csv")
    assert [(row["data"], float(row["weight"])) for row in rows] == [
        (source, weight) for source in SOURCES for weight in (0.0, GRID[-1])
    ]
    for source in SOURCES:
        values = [float(row[f"{characteristic}_mean"]) for row in rows if row["data"] == source]
        # The penalty has its effect within one epoch.
        assert values[-1] > values[0] if name == "figure2" else values[-1] < values[0]
    assert all(math.isfinite(float(row["accuracy_mean"])) for row in rows)
