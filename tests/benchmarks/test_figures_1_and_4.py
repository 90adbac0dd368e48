"""Figures 1 and 4 from the command line, small, and the numbers that stand beside them."""

import csv
import math

import numpy as np
import pytest

from benchmarks import paper
from benchmarks.__main__ import main
from benchmarks.experiments import figure1, figure4
from benchmarks.regularizers import REGULARIZERS


def smoke(name, tmp_path):
    assert main([name, "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    with (tmp_path / "smoke" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_figure1(tmp_path):
    rows = smoke("figure1", tmp_path)
    assert [row["regularizer"] for row in rows] == list(figure1.REGULARIZERS)
    assert all(0 < float(row["within_class_variance_mean"]) < 1 for row in rows)
    assert all(1 < float(row["classes_of_a_unit_mean"]) < 10 for row in rows)


def test_what_is_said_of_figure1_is_counted():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 500)
    z = np.zeros((1000, 4))
    z[:500, 0] = rng.uniform(1, 2, 500)  # active for one class
    z[:, 1] = 5 + y  # active for both, without variance within a class
    z[500:, 2] = z[500:, 3] = rng.uniform(1, 2, 500)  # two that are the same
    found = figure1.counted(np.concatenate([z, np.zeros((1000, 1))], axis=1), y)  # a dead unit does not count
    assert found["classes_of_a_unit"] == pytest.approx((1 + 2 + 1 + 1) / 4)
    within = sum(z[y == k].var(axis=0).sum() for k in (0, 1)) / 2
    assert found["within_class_variance"] == pytest.approx(within / z.var(axis=0).sum())
    assert 0.3 < found["class_wise_correlation"] <= 1


def test_figure4(tmp_path):
    rows = smoke("figure4", tmp_path)
    assert [row["regularizer"] for row in rows] == list(REGULARIZERS)
    for row in rows:
        lower, upper = float(row["zx_lower_mean"]), float(row["zx_upper_mean"])
        assert 0 < lower <= upper <= math.log(10_000)
        assert 0 <= float(row["zy_lower_mean"]) <= float(row["zy_upper_mean"]) <= math.log(10)
    with (tmp_path / "smoke" / "figure4_correlations.csv").open(newline="") as file:
        correlated = list(csv.DictReader(file))
    assert [float(row["noise_variance"]) for row in correlated] == list(figure4.NOISE_VARIANCES)
    assert all(-1 <= float(row["zx_lower_mean"]) <= 1 for row in correlated)


def test_correlations_are_those_of_the_means_over_networks():
    values = {"Baseline": (3.0, 5.0), "L1W": (2.0, 1.0), "CR": (2.5, 2.0)}
    found = [
        {
            "status": "finished",
            "config": {"regularizer": name},
            "result": {
                "error": error + shift,
                "information": [
                    {
                        "noise_variance": variance,
                        **dict.fromkeys((*figure4.BOUNDS, *figure4.CONVENTIONAL), bound * variance + shift),
                    }
                    for variance in figure4.NOISE_VARIANCES
                ],
            },
        }
        for name, (error, bound) in values.items()
        for shift in (-0.1, 0.1)
    ]
    table = figure4.correlations(found)
    expected = np.corrcoef(np.array(list(values.values())).T)[0, 1]
    assert [row["zx_lower_mean"] for row in table.rows] == pytest.approx([expected] * 5)
    assert table.printed(table.rows[0], "zx_upper") == paper.figure4()["upper_bound"] == 0.78
