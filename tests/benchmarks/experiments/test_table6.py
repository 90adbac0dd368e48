"""Smoke runs of Table 6, and its models and training."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from benchmarks import paper
from benchmarks.__main__ import EXPERIMENTS, main
from benchmarks.experiments import table6
from benchmarks.sweeps import search
from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import Workers
from benchmarks.tables.aggregate import as_csv, read_csv
from benchmarks.training.mnist import MnistRun
from benchmarks.training.models import mlp
from keras_repreg.regularizer_set import REGULARIZERS

WITH_WEIGHT = [name for name, regularizer in REGULARIZERS.items() if regularizer.weights]


def rows(path):
    return read_csv(path)


@pytest.mark.slow
def test_smoke_from_the_command_line(tmp_path, capsys):
    assert main(["table6", "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in REGULARIZERS)
    assert "| 2.85" in printed  # the baseline's error in the paper
    table = rows(tmp_path / "smoke" / "table6.csv")
    assert [row["regularizer"] for row in table] == list(paper.printed("table6"))
    expected = [f"{name}_{part}" for name in table6.COLUMNS for part in ("mean", "std")]
    assert list(table[0]) == ["regularizer", "weight", "trials", *expected]
    with_zeros = rows(tmp_path / "smoke" / "table6_all_values.csv")
    assert [row["covariance_mean"] for row in with_zeros] == [row["covariance_mean"] for row in table]
    assert all(row["correlation_mean"] != row["correlation_all_mean"] for row in with_zeros)
    page = (tmp_path / "smoke" / "table6.html").read_text()
    assert "data:image/png;base64," in page
    assert "<script" not in page
    assert "http" not in page
    first = (tmp_path / "smoke" / "table6.csv").read_text().splitlines()[0]
    assert re.fullmatch(r"# commit \S+; configuration [0-9a-f]{16}; 12 records", first)
    # A second call trains nothing and gives the same table.
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "smoke" / "records").glob("*.json")}
    assert len(records) == 12
    assert main(["table6", "--smoke", "--quiet", "--out", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "smoke" / "records").glob("*.json")} == records
    assert rows(tmp_path / "smoke" / "table6.csv") == table
    assert not (tmp_path / "smoke" / "table6.1.csv").exists()


def test_paired_seeds_show_what_the_choice_of_weights_rests_on():
    errors = {
        ("CR", 1.0): [2.0, 2.5, 2.2, 2.3],
        ("CR", 10.0): [2.3, 2.7, 2.7, 2.5],
        ("VR", 1.0): [2.0],
        ("VR", 0.1): [3.0],
    }
    found = [
        {"status": "finished", "config": {"regularizer": name, "weight": weight, "seed": seed},
         "result": {"validation_error": error}}
        for (name, weight), listed in errors.items() for seed, error in enumerate(listed)
    ]  # fmt: skip
    best, chosen = {"CR": 1.0, "VR": 1.0, "RR": 1.0}, {"CR": 10.0, "VR": 0.1, "RR": 1.0}
    (row,) = table6.paired(found, best, chosen).rows  # one seed says nothing, and RR has one weight
    differences = [0.3, 0.2, 0.5, 0.2]
    deviation = np.std(differences, ddof=1)
    assert (row["regularizer"], row["best"], row["nearest"], row["trials"]) == ("CR", 1.0, 10.0, 4)
    np.testing.assert_allclose([row["difference_mean"], row["difference_std"]], [0.3, deviation])
    half = 3.1824463 * deviation / 2  # Student's t with three degrees of freedom
    np.testing.assert_allclose([row["low_mean"], row["high_mean"]], [0.3 - half, 0.3 + half])
    assert row["seeds_needed"] == np.ceil((1.96 * deviation / 0.3) ** 2)
    (reversed_row,) = table6.paired(found, chosen, best).rows
    np.testing.assert_allclose([reversed_row["low_mean"], reversed_row["high_mean"]], [-0.3 - half, -0.3 + half])
    assert reversed_row["seeds_needed"] == 0  # shown as an empty cell


def result(regularizer, weight):
    """Return made-up results: a weight of 1 is best, 0.1 does not train, and 10 is best on the test set."""
    if weight == 0.1:
        raise RuntimeError
    values = dict.fromkeys(table6.COLUMNS, weight) | {"error": 0.0 if weight == 10 else 5.0}
    return {"loss": 1.0, "validation_error": abs(weight - 1) + 0.5, **values}


def invented(run):
    return result(run.regularizer, run.weight)


def searched(train, trials, folder, **arguments):
    runs = search.grid_runs(table6.DEFAULT_RUN, trials)
    found = sweep(runs, train, folder, workers=Workers(1, quiet=True))
    return search.search_rows(found, table6.DEFAULT_RUN, trials, **arguments)


def test_weights_are_chosen_by_validation_error(tmp_path):
    found = searched(invented, 2, tmp_path)
    assert search.picked(found, "best") == search.picked(found, "chosen") == dict.fromkeys(WITH_WEIGHT, 1.0)
    assert len(found) == 9 * 6
    assert {row["trials"] for row in found if row["weight"] == 0.1} == {0}
    path = tmp_path / "weights.csv"
    path.write_text(as_csv(found))
    chosen = search.kept_weights(path)
    assert chosen == dict.fromkeys(WITH_WEIGHT, 1.0)
    runs = search.runs_with(table6.DEFAULT_RUN, chosen, range(1, 3))
    table = table6.rows_of(sweep(runs, invented, tmp_path, workers=Workers(1, quiet=True)))
    assert [row["trials"] for row in table] == [2] * 12
    assert table[5]["amplitude_mean"] == 1.0
    assert table[0]["amplitude_mean"] == 0.0  # the baseline has no weight


def noisy(run):
    """Weights up to 1 differ by less than the noise; the amplitude equals the weight; 0.01 is nearest to the paper."""
    noise = np.random.default_rng([run.seed, int(run.weight * 1000)]).normal(0, 0.1)
    values = dict.fromkeys(table6.COLUMNS, 0.0) | {"amplitude": run.weight}
    return {"loss": 1.0, "validation_error": 2.5 + noise + (run.weight > 1) * run.weight, **values}


def test_tied_weights_nearest_to_the_paper_are_chosen(tmp_path):
    printed = dict.fromkeys(REGULARIZERS, dict.fromkeys(table6.COLUMNS, 0.0) | {"amplitude": 0.011})
    found = searched(noisy, 5, tmp_path, choose="nearest", paper=printed)
    assert search.picked(found, "chosen") == dict.fromkeys(WITH_WEIGHT, 0.01)
    assert not [row for row in found if row["tied"] == "yes" and row["weight"] > 1]
    far = dict.fromkeys(REGULARIZERS, dict.fromkeys(table6.COLUMNS, 0.0) | {"amplitude": 100.0})
    found = searched(noisy, 5, tmp_path, choose="nearest", paper=far)
    assert search.picked(found, "chosen") == dict.fromkeys(WITH_WEIGHT, 1.0)
    by_validation = searched(noisy, 5, tmp_path, paper=printed)
    assert search.picked(by_validation, "chosen") == search.picked(found, "best")
    single = searched(noisy, 1, tmp_path, choose="nearest", paper=printed)
    assert search.picked(single, "chosen") == search.picked(single, "best")


def train_with(monkeypatch, train):
    experiment = replace(table6.EXPERIMENT, train=train)
    monkeypatch.setattr(table6, "EXPERIMENT", experiment)
    monkeypatch.setitem(EXPERIMENTS, "table6", experiment)


def test_fresh_repeats_recorded_runs(tmp_path, monkeypatch, capsys):
    trained = []

    def train(run):
        trained.append(run.regularizer)
        return {"loss": 1.0, **dict.fromkeys(table6.COLUMNS, 1.0)}

    train_with(monkeypatch, train)
    for flags, number in (([], 12), ([], 0), (["--fresh"], 12), ([], 0)):
        trained.clear()
        assert main(["table6", "--smoke", "--quiet", "--jobs", "1", "--out", str(tmp_path), *flags]) == 0
        assert len(trained) == number
    assert capsys.readouterr().err == ""


def test_kept_weights_cover_every_weighted_regularizer():
    kept = search.kept_weights()
    assert list(kept) == WITH_WEIGHT
    assert all(weight in REGULARIZERS[name].weights for name, weight in kept.items())


def test_failed_runs_are_reported(capsys, monkeypatch, tmp_path):
    train_with(monkeypatch, invented)
    monkeypatch.setattr(search, "kept_weights", lambda: dict.fromkeys(WITH_WEIGHT, 0.1))
    assert main(["table6", "--quiet", "--jobs", "1", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "9 run(s) did not finish" in captured.err  # the three regularizers without a weight finished
    assert "–" in captured.out
    train_with(monkeypatch, None)
    assert main(["table6", "--quiet", "--jobs", "1", "--epochs", "3", "--out", str(tmp_path)]) == 1
    assert "12 run(s) did not finish" in capsys.readouterr().err


def test_unwritable_folder_fails_first(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for command in ("table6", "speed"):
        assert main([command, "--smoke", "--out", str(tmp_path / "file")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["table6", "--trials", "0"], ["table6", "--epochs", "x"], ["table7"], []],
    ids=str,
)
def test_invalid_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("python -m benchmarks")
    assert err.count("\n") == 1


def test_missing_data_set_exits_with_2_and_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert main(["table6", "--data", "no_such", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_speed_from_the_command_line(tmp_path, capsys):
    assert main(["speed", "--only", "epochs", "--smoke", "--out", str(tmp_path)]) == 0
    assert "ratio" in capsys.readouterr().out
    table = rows(tmp_path / "smoke" / "speed_epochs.csv")
    for row in table:
        assert 0 < float(row["ratio_min"]) <= float(row["ratio_median"]) <= float(row["ratio_max"])


@pytest.mark.parametrize("name", REGULARIZERS)
def test_models(name):
    model = mlp(name, 0.1)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [100, 100, 100, 100, 100, 10]
    assert keras.ops.shape(model.get_layer("representation").output)[1] == 100
    weights = {"L1W", "L2W"} & {name}
    assert bool(dense[4].kernel_regularizer) == bool(weights)


def test_l1w_and_l2w_are_means_over_the_kernel():
    for name, power in (("L1W", 1), ("L2W", 2)):
        model = mlp(name, 3.0)
        kernel = keras.ops.convert_to_numpy(model.get_layer("representation").kernel)
        assert float(sum(model.losses)) == pytest.approx(3 * np.mean(np.abs(kernel) ** power), rel=1e-5)


def test_default_run_is_the_papers():
    run = table6.DEFAULT_RUN
    assert isinstance(run, MnistRun)
    assert (run.learning_rate, run.batch_size, run.width, run.dataset, run.samples) == (1e-4, 100, 100, "mnist", None)
