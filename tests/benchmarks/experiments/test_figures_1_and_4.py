"""Smoke runs of Figures 1 and 4, and their tables."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks import paper
from benchmarks.__main__ import main
from benchmarks.experiments import figure1, figure4
from benchmarks.sweeps import search
from benchmarks.tables import correlation
from benchmarks.tables.aggregate import read_csv
from keras_repreg.information import mutual_information
from keras_repreg.regularizer_set import REGULARIZERS


def smoke(name, tmp_path):
    assert main([name, "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    return read_csv(tmp_path / "smoke" / f"{name}.csv")


def test_figure1(tmp_path):
    rows = smoke("figure1", tmp_path)
    assert [row["regularizer"] for row in rows] == list(figure1.REGULARIZERS)
    assert all(0 < float(row["within_class_variance_mean"]) < 1 for row in rows)
    assert all(1 < float(row["classes_of_a_unit_mean"]) < 10 for row in rows)


def test_figure1_statistics_match_constructed_data():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 500)
    z = np.zeros((1000, 4))
    z[:500, 0] = rng.uniform(1, 2, 500)  # active for one class
    z[:, 1] = 5 + y  # active for both, without within-class variance
    z[500:, 2] = z[500:, 3] = rng.uniform(1, 2, 500)  # two identical units
    found = figure1.class_statistics(np.concatenate([z, np.zeros((1000, 1))], axis=1), y)  # dead units are ignored
    assert found["classes_of_a_unit"] == pytest.approx((1 + 2 + 1 + 1) / 4)
    within = sum(z[y == k].var(axis=0).sum() for k in (0, 1)) / 2
    assert found["within_class_variance"] == pytest.approx(within / z.var(axis=0).sum())
    assert 0.3 < found["class_wise_correlation"] <= 1
    # Three units have one active class each, and one is constant within its two classes.
    spread = [z[:500, 0].std() / z[:500, 0].mean(), *2 * [z[500:, 2].std() / z[500:, 2].mean()], 0, 0]
    assert found["spread_when_active"] == pytest.approx(np.mean(spread))


@pytest.mark.slow
def test_figure4(tmp_path):
    rows = smoke("figure4", tmp_path)
    assert [row["regularizer"] for row in rows] == list(REGULARIZERS)
    for row in rows:
        lower, upper = float(row["zx_lower_mean"]), float(row["zx_upper_mean"])
        assert 0 < lower <= upper <= math.log(10_000)
        assert 0 <= float(row["zy_lower_mean"]) <= float(row["zy_upper_mean"]) <= math.log(10)
        assert lower < float(row["zx_mean"]) < upper
    correlated = read_csv(tmp_path / "smoke" / "figure4_correlations.csv")
    assert [float(row["noise_variance"]) for row in correlated] == list(figure4.NOISE_VARIANCES)
    assert all(-1 <= float(row["zx_lower_mean"]) <= 1 for row in correlated)
    trusted = read_csv(tmp_path / "smoke" / "figure4_intervals.csv")
    # Value and bounds for both choices of weights; for the first choice, the value also for relative noise.
    assert len(trusted) == 6 * len(figure4.NOISE_VARIANCES) + len(figure4.RELATIVE_NOISE)
    assert len({row["noise"] for row in trusted}) == len(trusted)
    levels = read_csv(tmp_path / "smoke" / "figure4_levels.csv")
    assert len(levels) == 2 * len(figure4.NOISE_VARIANCES) * len(REGULARIZERS)
    assert {row["weights"] for row in levels} == {"nearest", "validation"}
    shown = {row["regularizer"]: row["zx_mean"] for row in levels
             if (row["weights"], float(row["noise_variance"])) == ("nearest", figure4.SHOWN)}  # fmt: skip
    assert shown == {row["regularizer"]: row["zx_mean"] for row in rows}
    ends = [(float(row["pearson_low_mean"]), float(row["pearson_high_mean"])) for row in trusted]
    finite = [pair for pair in ends if not math.isnan(pair[0])]  # with almost no noise, all have log N
    assert len(finite) >= 5
    assert all(-1 - 1e-9 <= low <= high <= 1 + 1e-9 for low, high in finite)


def test_relative_noise_ignores_the_scale_of_units():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(60, 4)), np.arange(60) % 3
    z[:, 2] = 0.0  # a dead unit
    run = figure4.InformationRun("CR", 0.0, 1, 1, noise_variances=(0.5,), relative_noise=(0.5, 2.0))
    found, scaled = (figure4.information(run, z * factors, y) for factors in (1.0, np.array([1e-3, 1.0, 7.0, 50.0])))
    for one, other in zip(found["relative_information"], scaled["relative_information"], strict=True):
        assert one["zx"] == pytest.approx(other["zx"], rel=1e-6)
        assert one["n_units"] == 3
    assert found["information"][0]["zx"] != pytest.approx(scaled["information"][0]["zx"], rel=0.1)
    live = z[:, [0, 1, 3]] / z[:, [0, 1, 3]].std(axis=0)
    assert found["relative_information"][1]["zx"] == pytest.approx(mutual_information(live, y, 4.0).zx, rel=1e-9)
    assert figure4.information(run, np.zeros((5, 2)), np.arange(5))["relative_information"][0]["zx"] == 0


def test_correlations_and_their_intervals():
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(12, 2))
    pairs[:, 1] += 2 * pairs[:, 0]
    expected = np.corrcoef(pairs.T)[0, 1]
    assert correlation.pearson(pairs) == pytest.approx(expected)
    assert correlation.pearson(np.stack([pairs, pairs])) == pytest.approx([expected, expected])
    assert correlation.spearman(np.exp(pairs)) == pytest.approx(spearmanr(*pairs.T).statistic)
    low, high = correlation.bootstrap(pairs, correlation.pearson)
    resampled = [np.corrcoef(pairs[rng.integers(0, 12, 12)].T)[0, 1] for _ in range(4000)]
    assert (low, high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.03)
    assert low < expected < high
    for degenerate in (pairs[:2], np.ones((12, 2)), pairs * [1, 0]):
        assert math.isnan(correlation.pearson(degenerate))
        assert np.isnan(correlation.bootstrap(degenerate, correlation.pearson)).all()


def test_correlations_use_means_over_networks():
    values = {"Baseline": (3.0, 5.0), "L1W": (2.0, 1.0), "CR": (2.5, 2.0)}
    found = [
        {
            "status": "finished",
            "config": {"regularizer": name, "weight": search.kept_weights().get(name, 0.0)},
            "result": {
                "error": error + shift,
                "information": [
                    {
                        "noise_variance": variance,
                        **dict.fromkeys(figure4.COLUMNS[1:], bound * variance + shift),
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
    assert [row["zx_mean"] for row in table.rows] == pytest.approx([expected] * 5)
    assert table.printed(table.rows[0], "zx_upper") == paper.figure4()["upper_bound"] == 0.78
