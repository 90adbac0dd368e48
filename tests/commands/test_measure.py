"""`keras-repreg measure`: output, files and reports."""

import csv
import html.parser
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.commands import measurement, planning, report
from keras_repreg.commands.data import mnist
from tests.commands.cases import arrays, images, run, write_idx


def test_command_prints_the_table(folder, capsys):
    assert run(folder / "model.keras", "--data", folder / "data.npz") == 0
    out, err = capsys.readouterr()
    assert err == ""
    first, *table = out.splitlines()
    assert "60 samples" in first
    model = keras.saving.load_model(folder / "model.keras")
    assert "\n".join(table) == str(keras_repreg.measure(model, arrays(), labels=True))
    assert table[1].startswith("first")


def test_layers_and_characteristics_and_a_file(folder, tmp_path, capsys):
    path = tmp_path / "table.csv"
    arguments = (folder / "model.keras", "--data", folder / "data.npz", "--layers", "<second>", "--csv", path)
    assert run(*arguments, "--characteristics", "nc1, effective_rank") == 0
    with open(path, newline="") as file:
        (row,) = csv.DictReader(file)
    model = keras.saving.load_model(folder / "model.keras")
    expected = keras_repreg.measure(model, arrays(), "<second>", characteristics=["nc1", "effective_rank"])["<second>"]
    assert list(row) == ["layer", "nc1", "effective_rank"]
    assert float(row["nc1"]) == pytest.approx(expected["nc1"])
    assert run(*arguments) == 2
    assert capsys.readouterr().err == f"keras-repreg: {path} exists; pass --overwrite to replace it\n"
    assert run(*arguments, "--overwrite") == 0
    assert "stable_rank" in path.read_text()


def test_measure_prints_values_at_chance(folder, capsys):
    names = ["correlation", "sparsity", "nc1"]
    arguments = (folder / "model.keras", "--data", folder / "data.npz", "--characteristics", ",".join(names))
    assert run(*arguments, "--chance", "--json") == 0
    found = json.loads(capsys.readouterr().out)["layers"]
    model = keras.saving.load_model(folder / "model.keras")
    expected = keras_repreg.measure(model, arrays(), labels=True, characteristics=names, chance=True)
    assert list(found["first"]) == ["correlation", "correlation_at_chance", "sparsity", "nc1", "nc1_at_chance"]
    for layer, values in expected.items():
        assert found[layer] == pytest.approx(values, rel=1e-5)


def test_report_contains_values_at_chance(folder, tmp_path):
    path = tmp_path / "report.html"
    assert run(folder / "model.keras", "--data", folder / "data.npz", "--chance", "--report", path) == 0
    text = path.read_text(encoding="utf-8")
    assert "<small>chance " in text
    assert "independent units at this number of samples" in text


def test_pooled_rectifier_uses_positive_values(tmp_path, capsys):
    """As in `measure`, the layer before the pooling determines this."""
    start = keras.Input((8, 8, 1))
    z = layers.MaxPooling2D(name="pooled")(layers.Conv2D(4, 3, activation="relu", name="conv")(start))
    model = keras.Model(start, layers.Dense(2)(layers.Flatten()(z)))
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    arguments = ("--data", tmp_path / "x.npy", "--layers", "pooled", "--characteristics", "amplitude", "--json")
    assert run(tmp_path / "model.keras", *arguments) == 0
    found = json.loads(capsys.readouterr().out)["layers"]["pooled"]["amplitude"]
    z = keras.ops.convert_to_numpy(keras.Model(start, z)(x))
    assert found == pytest.approx(z[z > 0].mean(dtype="float64"), rel=1e-5)
    assert (z == 0).any()


def test_all_characteristics_without_labels(folder, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x_test=arrays()[0], x=np.ones(3))
    assert run(folder / "model.keras", "--data", tmp_path / "x.npz", "--characteristics", "all") == 0
    out = capsys.readouterr().out
    assert "rankme" in out
    assert "nc1" not in out


class Page(html.parser.HTMLParser):
    """Collects text, images and unclosed tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.text, self.images, self.open, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.images.append(values["src"])
        elif tag != "meta":
            self.open.append(tag)
        self.links += [values[name] for name in ("href", "src") if name in values and tag != "img"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("labelled", [True, False])
def test_report_is_one_self_contained_page(folder, tmp_path, labelled):
    x, y = arrays()
    np.savez(tmp_path / "data.npz", x=x, **({"y": y} if labelled else {}))
    path = tmp_path / "report.html"
    arguments = ("--data", tmp_path / "data.npz", "--report", path, "--samples", 50, "--information-unit", "bits")
    assert run(folder / "model.keras", *arguments, "--noise-variance", 0.5) == 0
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert page.open == []
    depth, *others = page.images
    assert depth.startswith("data:image/svg+xml;base64,")
    assert all(source.startswith("data:image/png;base64,") for source in others)
    assert len(others) == 8  # four pictures per layer
    assert set(page.links) == {"#layer-1", "#layer-2"}  # no external content
    assert "<second>" in text
    assert "bits, s^2 = 0.5, N = 50" in text
    assert ("nc1" in text) == labelled


def test_only_layers_with_a_major_finding_have_pictures_if_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PICTURED", 2)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), *(layers.Dense(8, "relu", name=name) for name in "abc"),
                              layers.Dense(2)])  # fmt: skip
    kernel, bias = model.layers[2].get_weights()
    model.layers[2].set_weights([kernel, bias - 100 * (np.arange(8) < 7)])  # seven of eight units are dead
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=arrays()[0])
    for chosen, number in (("a,b,c", 4), ("a,b", 8)):
        path = tmp_path / f"{chosen}.html"
        arguments = ("--data", tmp_path / "data.npz", "--report", path, "--layers", chosen)
        assert run(tmp_path / "model.keras", *arguments) == 0
        page = Page(path.read_text(encoding="utf-8"))
        assert len(page.images) - 1 == number  # and that against depth
        assert ("only where a major finding stands out" in " ".join(page.text)) == (number == 4)


def test_report_on_a_convolution(tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(3, 3, activation="relu", name="conv"),
                              layers.Flatten(), layers.Dense(2)])  # fmt: skip
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(20, 6, 6, 1)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(20) % 2)
    for units, words in (("channels", "3 units, 320 positions of 20 samples"), ("flatten", "48 units")):
        path = tmp_path / f"{units}.html"
        arguments = ("--data", tmp_path / "data.npz", "--report", path, "--units", units)
        assert run(tmp_path / "model.keras", *arguments) == 0
        assert words in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
def test_mnist_is_scaled_and_shaped_for_the_model(tmp_path, shape, capsys, monkeypatch):
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(4, name="hidden"), layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    x = images().reshape(12, *shape).astype("float32") / 255
    expected = str(keras_repreg.measure(model, (x, np.arange(12)), labels=True))
    for compress in (True, False):
        write_idx(tmp_path / f"idx{compress}", compress)
        assert run(tmp_path / "model.keras", "--data", tmp_path / f"idx{compress}") == 0
        assert capsys.readouterr().out.endswith(expected + "\n")
    np.savez(tmp_path / "mnist.npz", x_test=images(), y_test=np.arange(12), x_train=images())
    monkeypatch.setattr(mnist, "SAMPLES", 12)
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: str(tmp_path / "mnist.npz"))
    assert run(tmp_path / "model.keras", "--data", "mnist") == 0
    assert capsys.readouterr().out.endswith(expected + "\n")


def test_command_runs_as_a_program(folder):
    def program(*arguments):
        command = [sys.executable, "-m", "keras_repreg", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    helped = program("measure", "--help")
    assert helped.returncode == 0
    assert "examples:" in helped.stdout
    assert program("--version").stdout == f"keras-repreg {keras_repreg.__version__}\n"
    done = program("measure", folder / "model.keras", "--data", folder / "data.npz")
    assert (done.returncode, done.stderr) == (0, "")
    failed = program("measure", folder / "model.keras", "--data", "nothing")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (2, "", 1)


def test_help_imports_no_keras():
    code = (
        "import sys\nsys.argv = ['keras-repreg']\nfrom keras_repreg.commands import main\n"
        "try:\n    main(['measure', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'keras', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_layers_by_path_masks_and_layers_called_twice(tmp_path, capsys):
    """The results are those of `measure`, in one pass or in several."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((7, 4)), layers.Dense(5, activation="relu", name="deep")], name="backbone")
    start = keras.Input((7,), dtype="int32")
    twice = layers.Dense(4, name="twice")
    z = layers.Embedding(9, 4, mask_zero=True, name="words")(start)
    z = layers.LSTM(3, name="lstm")(twice(twice(z)))
    deep = layers.Flatten()(inner(layers.Embedding(9, 4)(start)))
    model = keras.Model(start, layers.Dense(2)(layers.Concatenate()([z, deep])))
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).integers(1, 9, (30, 7))
    x[:, 5:] = 0
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(30) % 3)
    names = ["twice", "backbone/deep", "lstm"]
    expected = keras_repreg.measure(model, (x, np.arange(30) % 3), names, labels=True)
    arguments = (tmp_path / "model.keras", "--data", tmp_path / "data.npz", "--layers", ",".join(names))
    assert run(*arguments) == 0
    assert capsys.readouterr().out.endswith(f"\n{expected}\n")
    assert run(*arguments, "--report", tmp_path / "report.html") == 0
    assert "backbone/deep" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_several_passes_give_the_same_numbers(folder, capsys, monkeypatch):
    """If the layers do not fit in one pass, the numbers are the same."""
    arguments = (folder / "model.keras", "--data", folder / "data.npz")
    assert run(*arguments) == 0
    expected, passes = capsys.readouterr().out, []
    fill = measurement._Group.fill
    monkeypatch.setattr(measurement._Group, "fill", lambda self, *args: passes.append(self) or fill(self, *args))
    monkeypatch.setattr(planning, "PASS", 1e-12)
    assert run(*arguments) == 0
    assert len(passes) == 2
    assert capsys.readouterr().out == expected


def test_large_layers_use_fewer_samples(folder, tmp_path, monkeypatch):
    """Plots and mutual information use as many samples as fit in memory, and the page states how many."""
    monkeypatch.setattr(planning, "HELD", 4 * 8 * 25)
    path = tmp_path / "report.html"
    assert run(folder / "model.keras", "--data", folder / "data.npz", "--report", path) == 0
    text = path.read_text(encoding="utf-8")
    assert "N = 25" in text
    assert "N = 33" in text  # six units
