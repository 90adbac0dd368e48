"""The command: what it prints and writes, and one line on stderr for each thing that can be wrong."""

import csv
import gzip
import html.parser
import os
import pickle
import subprocess
import sys

import keras
import matplotlib
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.commands import main

matplotlib.use("Agg")


def arrays(samples=60):
    rng = np.random.default_rng(0)
    y = np.arange(samples) % 3
    x = rng.normal(size=(samples, 5)).astype("float32")
    x[np.arange(samples), y] += 2
    return x, y


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with a model and its data."""
    path = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="first"),
            keras_repreg.ClasswiseVarianceRegularization(0.1),
            layers.Dense(6, name="<second>"),
            layers.Dense(3, name="logits"),
        ]
    )
    model.save(path / "model.keras")
    x, y = arrays()
    np.savez(path / "data.npz", x=x, y=y)
    return path


def run(*arguments):
    return main(["measure", *map(str, arguments)])


def test_it_prints_the_table(folder, capsys):
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
    assert capsys.readouterr().err == f"keras-repreg: {path} exists; --overwrite replaces it\n"
    assert run(*arguments, "--overwrite") == 0
    assert "stable_rank" in path.read_text()


def test_all_characteristics_without_labels(folder, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x_test=arrays()[0], x=np.ones(3))
    assert run(folder / "model.keras", "--data", tmp_path / "x.npz", "--characteristics", "all") == 0
    out = capsys.readouterr().out
    assert "rankme" in out
    assert "nc1" not in out


class Page(html.parser.HTMLParser):
    """Text, images and unclosed tags of a page."""

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
def test_the_report_holds_everything_in_one_page(folder, tmp_path, labelled):
    x, y = arrays()
    np.savez(tmp_path / "data.npz", x=x, **({"y": y} if labelled else {}))
    path = tmp_path / "report.html"
    arguments = ("--data", tmp_path / "data.npz", "--report", path, "--samples", 50, "--unit", "bits")
    assert run(folder / "model.keras", *arguments, "--noise-variance", 0.5) == 0
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert page.open == []
    assert all(source.startswith("data:image/png;base64,") for source in page.images)
    assert len(page.images) == 8  # four of each layer
    assert page.links == ["#first", "#<second>"]  # nothing from elsewhere
    assert "<second>" in text
    assert "bits, s^2 = 0.5, N = 50" in text
    assert ("nc1" in text) == labelled


def test_the_report_of_a_convolution(tmp_path):
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


def images(samples=12):
    return np.random.default_rng(0).integers(0, 256, (samples, 28, 28), dtype=np.uint8)


def write_idx(folder, compress):
    folder.mkdir()
    for name, array in {
        "t10k-images-idx3-ubyte": images(),
        "t10k-labels-idx1-ubyte": np.arange(12, dtype="u1"),
    }.items():
        raw = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
        (folder / (f"{name}.gz" if compress else name)).write_bytes(gzip.compress(raw) if compress else raw)


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
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: str(tmp_path / "mnist.npz"))
    assert run(tmp_path / "model.keras", "--data", "mnist") == 0
    assert capsys.readouterr().out.endswith(expected + "\n")


def test_mnist_that_cannot_be_had_is_a_line(folder, capsys, monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure\non storage: no route")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    assert run(folder / "model.keras", "--data", "mnist") == 2
    err = capsys.readouterr().err
    assert "could not be downloaded" in err
    assert err.count("\n") == 1


class Exploit:
    def __reduce__(self):
        return os.mkdir, (os.environ.get("EXPLOITED", "exploited"),)


def wrong(tmp_path):
    """Arguments by what is wrong with them, and a part of what is said."""
    x, y = arrays()
    save = {
        "pickled": {"x": np.array([Exploit(), None], dtype=object)},
        "pickled labels": {"x": x, "y": np.array([Exploit()] * 60, dtype=object)},
        "shape": {"x": np.ones((4, 7), "float32")},
        "rank": {"x": np.ones((4, 5, 1), "float32")},
        "names": {"images": x},
        "nan": {"x": np.full((4, 5), np.nan)},
        "lengths": {"x": x, "y": y[:-1]},
        "text": {"x": np.array([["a"] * 5])},
        "empty": {"x": np.zeros((0, 5))},
        "labels": {"x": x, "y": y + 0.5},
        "huge": {"x": np.full((4, 5), 3e38, "float32")},
    }
    for name, content in save.items():
        np.savez(tmp_path / f"{name}.npz", **content)
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Exploit()))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "t10k-images-idx3-ubyte").write_bytes(b"\x00\x00\x08\x03\x00")
    (tmp_path / "gzip").mkdir()
    (tmp_path / "gzip" / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b no")
    (tmp_path / "not.keras").write_text("no zip")
    (tmp_path / "model.h5").write_text("old")
    (tmp_path / "folder.keras").mkdir()
    import zipfile

    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    return {
        "no model": (["nowhere.keras"], "does not exist"),
        "no zip": ([tmp_path / "not.keras"], "is not a .keras file"),
        "old format": ([tmp_path / "model.h5"], "is not a .keras file"),
        "folder": ([tmp_path / "folder.keras"], "is not a .keras file"),
        "zip": ([tmp_path / "zip.keras"], "cannot be loaded"),
        "no data": (["--data", tmp_path / "nowhere.npz"], "does not exist"),
        "other data": (["--data", tmp_path / "data.csv"], "a file ending in .npz"),
        "pickled": (["--data", tmp_path / "pickled.npz"], "pickled objects"),
        "pickled labels": (["--data", tmp_path / "pickled labels.npz"], "pickled objects"),
        "pickle": (["--data", tmp_path / "pickle.npz"], "pickle"),
        "damaged": (["--data", tmp_path / "damaged.npz"], "not an npz file"),
        "shape": (["--data", tmp_path / "shape.npz"], "takes inputs of shape (N, 5), and"),
        "rank": (["--data", tmp_path / "rank.npz"], "(N, 5, 1)"),
        "names": (["--data", tmp_path / "names.npz"], "no array x or x_test, but images"),
        "nan": (["--data", tmp_path / "nan.npz"], "20 values that are NaN"),
        "lengths": (["--data", tmp_path / "lengths.npz"], "different lengths"),
        "text": (["--data", tmp_path / "text.npz"], "not an array of samples of numbers"),
        "empty": (["--data", tmp_path / "empty.npz"], "not an array of samples of numbers"),
        "labels": (["--data", tmp_path / "labels.npz"], "class ids"),
        "huge": (["--data", tmp_path / "huge.npz"], "activations are NaN or infinite in layers"),
        "empty folder": (["--data", tmp_path / "empty"], "holds neither t10k-images-idx3-ubyte nor"),
        "broken": (["--data", tmp_path / "broken"], "not an IDX file"),
        "gzip": (["--data", tmp_path / "gzip"], "cannot be read"),
        "layer": (["--layers", "third"], "'first'"),
        "characteristic": (["--characteristics", "beauty"], "Received: 'beauty'"),
        "report in no folder": (["--report", tmp_path / "no" / "report.html"], "there is no directory"),
        "report is a folder": (["--report", tmp_path / "empty"], "is a directory"),
        "same file": (["--report", tmp_path / "a", "--csv", tmp_path / "a"], "the same file"),
    }


KINDS = (
    "no model", "no zip", "old format", "folder", "zip", "no data", "other data", "pickled", "pickled labels", "pickle",
    "damaged", "shape", "rank", "names", "nan", "lengths", "text", "empty", "labels", "huge", "empty folder", "broken",
    "gzip", "layer", "characteristic", "report in no folder", "report is a folder", "same file",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_said_in_one_line(kind, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases = wrong(tmp_path)
    assert set(cases) == set(KINDS)
    given, words = cases[kind]
    model = [] if not str(given[0]).startswith("--") else [folder / "model.keras"]
    data = [] if "--data" in given else ["--data", folder / "data.npz"]
    before = sorted(tmp_path.rglob("*"))
    assert run(*model, *given, *data) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.startswith("keras-repreg: ")
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpickled, and nothing written


def test_code_in_a_model_is_not_run(folder, tmp_path, capsys):
    model = keras.Sequential([keras.Input((5,)), layers.Lambda(lambda z: z + 1), layers.Dense(3)])
    model.save(tmp_path / "lambda.keras")
    assert run(tmp_path / "lambda.keras", "--data", folder / "data.npz") == 2
    assert "cannot be loaded" in capsys.readouterr().err


def test_several_inputs_are_refused(folder, tmp_path, capsys):
    start = [keras.Input((5,)), keras.Input((5,))]
    keras.Model(start, layers.Dense(2)(layers.Add()(start))).save(tmp_path / "two.keras")
    assert run(tmp_path / "two.keras", "--data", folder / "data.npz") == 2
    assert "2 inputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    ["--samples 0", "--noise-variance -1", "--unit hartley", "--layers a,,b", "--batch-size x", "--divide-by inf"],
)
def test_arguments_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run("model.keras", "--data", "mnist", *arguments.split())
    assert ended.value.code == 2
    assert arguments.split()[0] in capsys.readouterr().err


def test_without_matplotlib_a_report_is_refused_before_any_work(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    assert run("nowhere.keras", "--data", "mnist", "--report", tmp_path / "report.html") == 2
    assert "keras-repreg[plots]" in capsys.readouterr().err


def test_as_a_program(folder):
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
        "import sys\nfrom keras_repreg.commands import main\n"
        "try:\n    main(['measure', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'keras', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_what_is_measured_is_never_overwritten(folder, tmp_path, capsys, option):
    for name in ("model.keras", "data.npz"):
        path = tmp_path / name
        path.write_bytes((folder / name).read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in before:
        arguments = ["measure", str(tmp_path / "model.keras"), "--data", str(tmp_path / "data.npz"), option, str(path)]
        assert main([*arguments, "--overwrite"]) == 2
        assert "is what is measured" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_names_that_the_file_system_refuses(folder, capsys):
    assert main(["measure", "x" * 300 + ".keras", "--data", str(folder / "data.npz")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_noise_that_is_out_of_range_is_a_line(folder, tmp_path, capsys):
    arguments = ["measure", str(folder / "model.keras"), "--data", str(folder / "data.npz")]
    assert main([*arguments, "--noise-variance", "1e-320", "--report", str(tmp_path / "r.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()
