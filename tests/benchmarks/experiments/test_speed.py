"""Timing in turns, the loops that penalties are compared with, and the command."""

import dataclasses
import os
import time

import keras
import numpy as np
import pytest

if keras.backend.backend() == "torch":
    pytest.skip("the speed command does not support PyTorch", allow_module_level=True)

from benchmarks.__main__ import main
from benchmarks.experiments import speed
from benchmarks.experiments.speed import kernels, measurements, steps
from benchmarks.experiments.speed.loops import FORMULAS
from benchmarks.experiments.speed.timing import ratio, take_turns
from benchmarks.training.models import cnn
from keras_repreg.classes import within_class_products


class Clock:
    """A clock that only the timed functions advance."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def waits(self, seconds):
        def function():
            self.now += seconds

        return function


def test_functions_take_turns():
    clock = Clock()
    seconds = take_turns({"short": clock.waits(0.001), "long": clock.waits(0.5)}, 3, clock)
    assert seconds["short"] == pytest.approx([0.001] * 3)
    assert seconds["long"] == pytest.approx([0.5] * 3)
    found = ratio([1.0, 6.0, 2.0], [1.0, 2.0, 1.0])
    assert (found.low, found.median, found.high) == (1, 2, 3)


@pytest.mark.parametrize("penalty", ["cw-CR", "cw-VR", "cw-RR"])
def test_loops_agree_with_the_penalties(penalty):
    z, ids = kernels.batch(40, 12, 6)
    expected, expected_gradient = kernels.kernel(penalty)(z, ids)
    for gathered in (False, True):
        loop = kernels.backend().loop(FORMULAS[penalty], 9, gathered)
        if loop is None:
            assert (gathered, keras.backend.backend()) == (True, "jax")
            continue
        value, gradient = loop(z, ids)
        assert float(value) == pytest.approx(float(expected), rel=1e-4)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-5)


def test_disagreeing_loop_raises():
    z, ids = kernels.batch(40, 12, 6)
    runs = {"ours": kernels.kernel("cw-CR"), "masked": kernels.kernel("cw-VR")}
    with pytest.raises(ValueError, match="Received: .*masked"):
        kernels._check_same(runs, z, ids)


def test_operations():
    assert kernels.operations("VR", *kernels.batch(10, 5, 2)) == 0
    assert kernels.operations("CR", *kernels.batch(10, 5, 2)) == 4 * 10 * 5 * 5
    assert kernels.operations("cw-CR", *kernels.batch(10, 20, 2)) == 4 * 10 * 10 * 20
    # One class fills all tiles: the full Gram matrix for many units, a covariance and its products for few.
    n = 4 * within_class_products.ON_CPU.rows
    assert kernels.operations("cw-CR", *kernels.batch(n, 1000, 1)) == 4 * n * n * 1000
    assert kernels.operations("cw-CR", *kernels.batch(n, 50, 1)) == 4 * n * 50 * 50


@pytest.mark.parametrize("regularizer", ["Baseline", "L2W", "BN", "Dropout", "cw-CR"])
def test_cnn_of_table_7(regularizer):
    model = cnn(regularizer, 0.1)
    assert model.output_shape == (None, 10)
    assert model.get_layer("representation").output.shape == (None, 128)
    # 3x3 convolutions 3-32-64-128-128, then 4 * 4 * 128 inputs to 128 units, and the output layer.
    kernels_and_biases = 896 + 18496 + 73856 + 147584 + (2048 + 1) * 128 + 1290
    assert model.count_params() == kernels_and_biases + (4 * 128 if regularizer == "BN" else 0)


@pytest.mark.slow
def test_both_sweep_configurations_train_all_networks(tmp_path, monkeypatch):
    from benchmarks.experiments.speed import processes

    seen = []
    sweep = processes.sweep
    monkeypatch.setattr(processes, "sweep", lambda *a, **k: seen.append(found := sweep(*a, **k)) or found)
    (row,) = processes.compare(1, smoke=True)
    assert row["ratio_low"] == row["ratio_high"] == pytest.approx(row["processes_an_hour"] / row["threads_an_hour"])
    trained = [[record["config"]["regularizer"] for record in found] for found in seen]
    # Short runs start the processes before each measurement.
    assert trained == [["Baseline"] * os.cpu_count(), ["Baseline", "L1W"]] * 2
    assert f"{row['ratio_median']:.2f}" in processes.as_markdown([row])


@pytest.mark.slow
def test_each_case_is_timed_in_its_own_process(monkeypatch):
    rows = measurements.compare(1, smoke=True)
    assert [row["case"] for row in rows] == list(measurements.SMOKE_CASES)
    for row in rows:
        assert row["ratio_low"] == row["ratio_high"] == pytest.approx(row["seconds"] / row["plain_seconds"])
        assert 0 <= row["added_megabytes"] < row["peak_megabytes"]
        assert f"| {row['case']} |" in measurements.as_markdown(rows)
    monkeypatch.setattr(measurements, "SMOKE_CASES", ("no such case",))
    with pytest.raises(RuntimeError, match="(?s)Received: .*invalid choice"):
        measurements.compare(1, smoke=True)


def test_missed_targets_are_profiled(monkeypatch):
    case = measurements.Case("nothing", lambda smoke: (lambda: None, lambda: sum(range(10**6))), most=0.5)
    monkeypatch.setitem(measurements.CASES, "sums", case)
    row = measurements.measure_case("sums", 3, time.perf_counter, smoke=True)
    assert "ncalls" in row["profile"]
    assert "sums: where the time goes" in measurements.profiles([row])
    monkeypatch.setitem(measurements.CASES, "sums", dataclasses.replace(case, most=None))
    assert not measurements.measure_case("sums", 3, time.perf_counter, smoke=True)["profile"]


def test_command_writes_and_prints_the_ratios(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kernels, "SMOKE_GRID", ((20, 12, 3),))
    monkeypatch.setattr(kernels, "PENALTIES", ("L1R", "cw-CR"))
    monkeypatch.setattr(kernels, "PEAK_SIZE", 64)
    monkeypatch.setattr(steps, "REGULARIZERS", ("cw-VR",))
    monkeypatch.setattr(speed, "PARTS", ("kernels", "steps"))
    assert main(["speed", "--smoke", "--clock", "processor", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "masked loop (ratio)" in out
    assert "MNIST MLP" in out
    for part in ("kernels", "steps"):
        rows = (tmp_path / "smoke" / f"speed_{part}.csv").read_text().splitlines()
        assert rows[0].startswith("# commit ")
        assert len(rows) == 4
        assert (tmp_path / "smoke" / f"speed_{part}.md").read_text().count("\n") == 6
