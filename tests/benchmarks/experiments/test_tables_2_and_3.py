"""Smoke runs of Tables 2 and 3, and properties that hold for every network."""

import keras
import numpy as np
import pytest

from benchmarks import paper
from benchmarks.__main__ import main
from benchmarks.experiments import table2, table3
from benchmarks.tables.aggregate import read_csv
from benchmarks.training.models import mlp, with_linear_layer
from keras_repreg.ion.covariance import NULL_SPACE


def smoke(name, tmp_path):
    assert main([name, "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    return read_csv(tmp_path / "smoke" / f"{name}.csv")


@pytest.mark.slow
def test_table2(tmp_path, capsys):
    rows = smoke("table2", tmp_path)
    assert [row["layer"] for row in rows] == list(paper.printed("table2"))
    # Only positive values count, so about half of the linear layer's values are zeros.
    assert all(0.3 < float(row["sparsity_mean"]) < 0.7 for row in rows)
    assert all(float(row["amplitude_mean"]) > 0 for row in rows)
    assert "2.78" in capsys.readouterr().out


@pytest.mark.parametrize("name", table2.REGULARIZERS)
def test_network_of_table2_has_a_linear_sixth_layer(name):
    model = with_linear_layer(name, width=8)
    x = np.random.default_rng(0).uniform(size=(50, 784)).astype("float32")
    values = [keras.Model(model.inputs, model.get_layer(layer).output).predict(x, verbose=0) for layer in table2.LAYERS]
    assert [bool((z < 0).any()) for z in values] == [False, False, True]
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == 7
    kind = {"Baseline": keras.layers.Layer, "Dropout": keras.layers.Dropout, "BN": keras.layers.BatchNormalization}
    assert sum(isinstance(layer, kind[name]) for layer in model.layers) >= 6


@pytest.mark.slow
def test_table3(tmp_path):
    rows = {row["q"]: row for row in smoke("table3", tmp_path)}
    assert list(rows) == list(paper.printed("table3"))
    identity, diagonal = rows[table3.IDENTITY], rows[table3.DIAGONAL]
    # Theorem 2: a positive diagonal keeps these exactly, and changes the others.
    for column in ("error", "sparsity", "dead_units"):
        assert diagonal[f"{column}_mean"] == identity[f"{column}_mean"]
    assert float(diagonal["correlation_mean"]) == pytest.approx(float(identity["correlation_mean"]), rel=1e-4)
    assert float(diagonal["amplitude_mean"]) < float(identity["amplitude_mean"])
    assert float(rows[table3.ONES]["correlation_mean"]) > 0.5


def test_whitening_before_relu_ignores_the_relu():
    model = mlp("Baseline", 0.0, width=6)
    x = np.random.default_rng(0).uniform(size=(400, 784)).astype("float32")
    q, m = table3.whitening_before_relu(model, x)
    layer = model.get_layer("representation")
    inputs = keras.Model(model.inputs, layer.input).predict(x, verbose=0)
    before = inputs @ layer.kernel.numpy() + layer.bias.numpy()
    variances = np.linalg.eigvalsh(np.cov(((before - m) @ q.T).T, bias=True))
    expected = np.linalg.eigvalsh(np.cov(before.T, bias=True))
    in_range = expected > NULL_SPACE * expected[-1]
    assert in_range.sum() >= 3
    np.testing.assert_allclose(variances[-in_range.sum() :], 1, atol=1e-3)
