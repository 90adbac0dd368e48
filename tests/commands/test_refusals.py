"""Invalid input to the command line gives one line and exit code 2, and no file is lost."""

import os
import pickle
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg.commands import main
from keras_repreg.commands.data import mnist, npy
from tests.commands.cases import arrays, run


def test_unavailable_mnist_is_reported_in_one_line(tmp_path, capsys, monkeypatch):
    """Keras's message about the download is suppressed."""
    model = keras.Sequential([keras.Input((784,)), layers.Dense(2, name="hidden"), layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(mnist, "ORIGIN", (tmp_path / "nowhere.npz").as_uri())
    assert run(tmp_path / "model.keras", "--data", "mnist") == 2
    out, err = capsys.readouterr()
    assert "could not be downloaded" in err
    assert err.count("\n") == 1
    assert out == ""
    assert keras.config.is_interactive_logging_enabled()


class Exploit:
    def __reduce__(self):
        return os.mkdir, (os.environ.get("EXPLOITED", "exploited"),)


def wrong(tmp_path):
    """Return arguments and part of the message, by the problem."""
    x, y = arrays()
    save = {
        "pickled": {"x": np.array([Exploit(), None], dtype=object)},
        "pickled labels": {"x": x, "y": np.array([Exploit()] * 60, dtype=object)},
        "shape": {"x": np.ones((4, 7), "float32")},
        "rank": {"x": np.ones((4, 5, 1), "float32")},
        "names": {"images": x, "more": x},
        "nan": {"x": np.full((4, 5), np.nan)},
        "lengths": {"x": x, "y": y[:-1]},
        "text": {"x": np.array([["a"] * 5])},
        "empty": {"x": np.zeros((0, 5))},
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
        "other data": (["--data", tmp_path / "data.txt"], "a file ending in .npz, .npy or .csv"),
        "pickled": (["--data", tmp_path / "pickled.npz"], "pickled objects"),
        "pickled labels": (["--data", tmp_path / "pickled labels.npz"], "pickled objects"),
        "pickle": (["--data", tmp_path / "pickle.npz"], "pickle"),
        "damaged": (["--data", tmp_path / "damaged.npz"], "not an npz file"),
        "shape": (["--data", tmp_path / "shape.npz"], "takes inputs of shape (N, 5), but"),
        "rank": (["--data", tmp_path / "rank.npz"], "(N, 5, 1)"),
        "names": (["--data", tmp_path / "names.npz"], "no array x or x_test, but images, more"),
        "nan": (["--data", tmp_path / "nan.npz"], "20 values that are NaN"),
        "lengths": (["--data", tmp_path / "lengths.npz"], "different lengths"),
        "text": (["--data", tmp_path / "text.npz"], "not an array of samples of real numbers"),
        "empty": (["--data", tmp_path / "empty.npz"], "not an array of samples of real numbers"),
        "huge": (["--data", tmp_path / "huge.npz"], "activations are NaN or infinite in layers"),
        "empty folder": (["--data", tmp_path / "empty"], "contains neither the MNIST files nor one folder of images"),
        "broken": (["--data", tmp_path / "broken"], "not an IDX file"),
        "gzip": (["--data", tmp_path / "gzip"], "cannot be read"),
        "layer": (["--layers", "third"], "'first'"),
        "characteristic": (["--characteristics", "beauty"], "there is no characteristic 'beauty'"),
        "report in no folder": (["--report", tmp_path / "no" / "report.html"], "there is no directory"),
        "report is a folder": (["--report", tmp_path / "empty"], "is a directory"),
        "same file": (["--report", tmp_path / "a", "--csv", tmp_path / "a"], "the same file"),
    }


KINDS = (
    "no model", "no zip", "old format", "folder", "zip", "no data", "other data", "pickled", "pickled labels", "pickle",
    "damaged", "shape", "rank", "names", "nan", "lengths", "text", "empty", "huge", "empty folder", "broken",
    "gzip", "layer", "characteristic", "report in no folder", "report is a folder", "same file",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_reported_in_one_line(kind, folder, tmp_path, capsys, monkeypatch):
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


def test_code_in_a_model_is_not_executed(folder, tmp_path, capsys):
    model = keras.Sequential([keras.Input((5,)), layers.Lambda(lambda z: z + 1), layers.Dense(3)])
    model.save(tmp_path / "lambda.keras")
    assert run(tmp_path / "lambda.keras", "--data", folder / "data.npz") == 2
    assert "cannot be loaded" in capsys.readouterr().err


def test_one_array_for_several_inputs_is_rejected(folder, tmp_path, capsys):
    start = [keras.Input((5,)), keras.Input((5,))]
    keras.Model(start, layers.Dense(2)(layers.Add()(start))).save(tmp_path / "two.keras")
    assert run(tmp_path / "two.keras", "--data", folder / "data.npz") == 2
    assert "2 inputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "--samples 0",
        "--noise-variance -1",
        "--information-unit hartley",
        "--layers a,,b",
        "--batch-size x",
        "--divide-by inf",
    ],
)
def test_invalid_arguments_are_rejected(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run("model.keras", "--data", "mnist", *arguments.split())
    assert ended.value.code == 2
    assert arguments.split()[0] in capsys.readouterr().err


def test_missing_matplotlib_fails_before_any_work(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    assert run("nowhere.keras", "--data", "mnist", "--report", tmp_path / "report.html") == 2
    assert "keras-repreg[plots]" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_measured_files_are_never_overwritten(folder, tmp_path, capsys, option):
    for name in ("model.keras", "data.npz"):
        path = tmp_path / name
        path.write_bytes((folder / name).read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in before:
        arguments = ["measure", str(tmp_path / "model.keras"), "--data", str(tmp_path / "data.npz"), option, str(path)]
        assert main([*arguments, "--overwrite"]) == 2
        assert "is an input" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_invalid_file_names_are_reported(folder, capsys):
    assert main(["measure", "x" * 300 + ".keras", "--data", str(folder / "data.npz")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_noise_out_of_range_is_reported_in_one_line(folder, tmp_path, capsys):
    arguments = ["measure", str(folder / "model.keras"), "--data", str(folder / "data.npz")]
    assert main([*arguments, "--noise-variance", "1e-320", "--report", str(tmp_path / "r.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("option", ["--csv", "--report"])
@pytest.mark.parametrize("kind", ["symbolic link", "dangling", "FIFO", "device", "stdout", "directory"])
def test_only_regular_files_are_replaced(kind, option, folder, tmp_path, capsys):
    """Other kinds of files are kept even with --overwrite, and the error comes before any work."""
    path = tmp_path / "out"
    (tmp_path / "target").write_text("old")
    if kind == "symbolic link":
        path.symlink_to(tmp_path / "target")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path = Path("/dev/null" if kind == "device" else "/dev/stdout")
    before = os.lstat(path)
    for overwrite in ([], ["--overwrite"]):
        assert run(folder / "model.keras", "--data", folder / "data.npz", option, path, *overwrite) == 2
        out, err = capsys.readouterr()
        assert "which is never replaced" in err
        assert "--overwrite" not in err
        assert out == ""
    assert os.lstat(path).st_ino == before.st_ino
    assert (tmp_path / "target").read_text() == "old"
    assert not (tmp_path / "nowhere").exists()


def test_hard_link_to_a_measured_file_is_not_replaced(folder, tmp_path, capsys):
    for name in ("model.keras", "data.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
        os.link(tmp_path / name, tmp_path / "link")
        arguments = (tmp_path / "model.keras", "--data", folder / "data.npz") if name == "model.keras" else (
            folder / "model.keras", "--data", tmp_path / "data.npz")  # fmt: skip
        assert run(*arguments, "--csv", tmp_path / "link", "--overwrite") == 2
        assert "is an input" in capsys.readouterr().err
        (tmp_path / "link").unlink()


def test_output_created_meanwhile_is_kept(folder, tmp_path, capsys, monkeypatch):
    path = tmp_path / "table.csv"

    def read(self, name):
        path.write_text("somebody else's")
        return np.load(folder / "data.npz")[name]

    monkeypatch.setattr(npy.Npz, "values", read)
    assert run(folder / "model.keras", "--data", folder / "data.npz", "--csv", path) == 2
    out, err = capsys.readouterr()
    assert err == f"keras-repreg: {path} exists; pass --overwrite to replace it\n"
    assert "first" in out  # the table is still printed
    assert path.read_text() == "somebody else's"
