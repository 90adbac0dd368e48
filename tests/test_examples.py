"""The scripts of the documentation run with fewer epochs, and their pages' claims hold."""

import importlib.util
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from keras_repreg import tuning

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[1] / "docs"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(path):
    lines = [line.strip("| ").split(" | ") for line in path.read_text().splitlines()]
    return {name: cells for name, *cells in lines[2:]}


def test_identical_twins(tmp_path):
    loaded("identical_twins").main(tmp_path, epochs=1)
    assert (tmp_path / "identical_twins.png").read_bytes().startswith(b"\x89PNG")
    # The table after a single epoch, and the one on the page.
    for table in (rows(tmp_path / "identical_twins.md"), rows(DOCS / "images" / "identical_twins.md")):
        errors, changes, others, correlations, dead, ranks = zip(*table.values(), strict=True)
        assert list(table) == ["as trained", "whitened", "80% dead units", "correlation 0.9"]
        assert set(errors) == {errors[0]}
        assert max(map(float, changes)) < 1e-3
        assert set(others) == {"0"}
        assert correlations[2:] == ("0.00", "0.90")
        assert dead == ("0%", "0%", "80%", "0%")
        assert ranks[1] == "20.0"


PNG = b"\x89PNG"
SMALL = {
    "mnist_one_line": {"epochs": 1, "seeds": (1,)},
    "convolution": {"samples": 500, "epochs": 1, "seeds": (1,)},
    "transfer": {"epochs": 1, "seeds": (1,), "base_epochs": 1},
    "custom_penalty": {"samples": 500, "epochs": 1, "seeds": (1,)},
}


@pytest.mark.parametrize("name", SMALL)
def test_examples_write_the_tables_on_their_pages(name, tmp_path):
    loaded(name).main(tmp_path, **SMALL[name])
    made, shown = tmp_path / f"{name}.md", DOCS / "images" / f"{name}.md"
    # The same table with different numbers.
    assert made.read_text().splitlines()[:2] == shown.read_text().splitlines()[:2]
    assert list(rows(made)) == list(rows(shown))
    for picture in tmp_path.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)
        assert (DOCS / "images" / picture.name).is_file()


def test_inspect_saved_model(tmp_path, capsys):
    loaded("inspect_saved_model").main(tmp_path, epochs=1)
    printed = capsys.readouterr().out
    for layer in ("first", "second", "third"):
        assert f"\n{layer}" in printed
        assert layer in (tmp_path / "table.csv").read_text()
    assert "<html" in (tmp_path / "report.html").read_text()


@pytest.mark.filterwarnings("ignore:max_trials=1 leaves some")
def test_tune_mnist_runs(tmp_path):
    module = loaded("tune_mnist")
    module.main(tmp_path, [1], searches=tmp_path / "searches", epochs=1, trials=1)
    assert list(rows(tmp_path / "tune_mnist.md")) == ["1", "mean of test errors"]
    assert "Baseline" in (tmp_path / "tune_mnist_leaderboard.md").read_text()


def test_tune_mnist():
    module = loaded("tune_mnist")
    for name in tuning.NAMES:
        hp = keras_tuner.HyperParameters()
        hp.values["regularization"] = name
        assert module.network(hp).get_layer("regularization").output.shape == (None, 100)
    row = {"regularization": "cw-VR", "strength": 1.5, "validation": 9.0, "test": 10.0}
    plain = {"regularization": "Baseline", "strength": None, "validation": 11.0, "test": 12.0}
    lines = module.table({2: {"set": row, "usual": row, "Baseline": plain}}).splitlines()
    assert lines[2] == "| 2 | cw-VR 1.5: 9.00, **10.00** | cw-VR 1.5: 9.00, **10.00** | Baseline: 11.00, **12.00** |"
    assert lines[3].endswith("| 10.00 | 10.00 | 12.00 |")
    # The page's statements about its table.
    shown = rows(DOCS / "images" / "tune_mnist.md")
    means = [float(cell) for cell in shown.pop("mean of test errors")]
    for i, mean in enumerate(means):
        tests = [float(cells[i].split("**")[1]) for cells in shown.values()]
        assert abs(sum(tests) / len(tests) - mean) < 0.006
    assert max(means[:2]) < means[2]


def test_which_regularizer_table_matches_its_runs():
    module = loaded("which_regularizer")
    runs = module.read(DOCS / "images" / "which_regularizer.csv")
    assert module.table(runs) == (DOCS / "images" / "which_regularizer.md").read_text()
    assert {name for _, name, _ in runs} <= {*tuning.NAMES, *tuning.LATER_NAMES}
    for (data, name, strength), errors in runs.items():
        assert sorted(errors) == list(range(module.DATA[data][0]))
        assert strength in module.strengths(name)


def test_which_regularizer_compares_with_the_better_common_regularizer():
    module = loaded("which_regularizer")

    def errors(validation, test):
        return {seed: (validation, test + 0.1 * seed) for seed in range(5)}

    runs = {
        ("iris", "Dropout", 0.1): errors(5.0, 6.0),
        ("iris", "Dropout", 0.5): errors(4.0, 6.5),  # chosen by validation error, not by test error
        ("iris", "BN", None): errors(4.5, 1.0),
        ("iris", "CR", 1.0): errors(9.0, 9.0),
        ("iris", "CR", 10.0): {seed: (3.0, 5.0 + 0.1 * seed + 0.01 * (-1) ** seed) for seed in range(5)},
        ("wine", "CR", 1.0): errors(0.0, 0.0),
    }
    best = module.chosen(runs, "iris")
    assert {name: strength for name, (strength, *_) in best.items()} == {"Dropout": 0.5, "BN": None, "CR": 10.0}
    usual, found = module.effects(best, "iris")
    assert usual == "Dropout"
    difference, low, high = found["CR"]
    assert difference == pytest.approx(-1.498)
    assert low < difference < high < 0
    # Samples shared between seeds are less informative than new ones.
    _, _, of_new = module.effects(best, "MNIST 1,000")[1]["CR"]
    assert (high - difference) / (of_new - difference) == pytest.approx(np.sqrt((0.2 + 0.5) / 0.2))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the example is written in JAX")
def test_which_regularizer_runs_and_resumes(tmp_path):
    module = loaded("which_regularizer")
    names = ("Baseline", "L2W", "Dropout", "DBN", "cw-SIG")
    small = {"protocol": {"iris": (2, 25, 3)}, "regularizers": names}
    module.main(tmp_path, ["iris"], **small)
    runs = module.read(tmp_path / "which_regularizer.csv")
    assert len(runs) == 1 + 4 + 4 + 1 + 4
    assert all(sorted(errors) == [0, 1] for errors in runs.values())
    before = (tmp_path / "which_regularizer.csv").read_text()
    module.main(tmp_path, ["iris"], **small)
    assert (tmp_path / "which_regularizer.csv").read_text() == before
