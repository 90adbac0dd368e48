"""Errors are found as early as possible: arguments, headers, the model's shapes, memory, data."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg.commands import memory, model
from keras_repreg.commands.data import npy
from keras_repreg.commands.memory import limited
from keras_repreg.commands.refusal import Refusal
from tests.commands.cases import arrays, run


@pytest.fixture
def nothing_is_loaded(monkeypatch):
    """Fail the test if weights or data values are read."""

    def fail(*args, **kwargs):
        raise AssertionError("it was read")

    monkeypatch.setattr(model.ModelFile, "load", fail)
    monkeypatch.setattr(npy.Npz, "values", fail)
    monkeypatch.setattr(npy.Npy, "values", fail)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layers", "frist"], "sequential has no layer 'frist'; similar names: 'first'"),
        (["--layers", "logit"], "similar names: 'logits'"),
        (["--layers", "zzz"], "known names: 'first', 'classwise_variance_regularization"),
        (["--characteristics", "stable_rnak"], "no characteristic 'stable_rnak'; similar names: 'stable_rank'"),
        (["--memory-share", "1e-12"], "of memory needed, more than 0% of the"),
        (["--batch-size", "100000000000"], "a forward pass of 100,000,000,000 samples: "),
    ],
)
def test_invalid_arguments_are_found_before_reading(arguments, words, folder, capsys, nothing_is_loaded):
    assert run(folder / "model.keras", "--data", folder / "data.npz", *arguments) == 2
    err = capsys.readouterr().err
    assert words.removeprefix("sequential") in err
    assert err.count("\n") == 1


def test_nearest_of_many_names_are_suggested(tmp_path, capsys, nothing_is_loaded):
    many = [layers.Dense(3, name=f"block_{i}") for i in range(60)]
    keras.Sequential([keras.Input((5,)), *many]).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=arrays()[0])
    assert run(tmp_path / "model.keras", "--data", tmp_path / "data.npz", "--layers", "blocks_31") == 2
    assert "similar names: 'block_31'" in capsys.readouterr().err
    assert run(tmp_path / "model.keras", "--data", tmp_path / "data.npz", "--layers", "zzz") == 2
    assert "'block_7' and 52 more" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_data_larger_than_memory_are_rejected(kind, folder, tmp_path, capsys, nothing_is_loaded):
    """A sparse file is small on disk and would take terabytes in memory."""
    path = tmp_path / f"data.{kind}"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000000, 5), }\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 2**20
    if kind == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", content)
    assert run(folder / "model.keras", "--data", path) == 2
    err = capsys.readouterr().err
    assert "40,000,000,000,000" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("header", [b"{'descr': '<f4', 'shape': (2,", b"{}", b"[1]", b"(", b"\xff", b""])
def test_invalid_headers_are_rejected(header, folder, tmp_path, capsys, nothing_is_loaded):
    path = tmp_path / "data.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert run(folder / "model.keras", "--data", path) == 2
    assert "cannot be read as an npy file" in capsys.readouterr().err


def test_data_exceeding_their_memory_share_are_rejected(folder, tmp_path, capsys, nothing_is_loaded, monkeypatch):
    np.savez_compressed(tmp_path / "data.npz", x=np.zeros((10**6, 5), "float32"))
    assert (tmp_path / "data.npz").stat().st_size < 10**5
    monkeypatch.setattr(memory, "free", lambda: 70 * 10**6)
    assert run(folder / "model.keras", "--data", tmp_path / "data.npz") == 2
    assert "40 MB of memory needed, more than 50% of the 70 MB that are free" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--layers", "wide"], ["--layers", "conv", "--units", "flatten"]])
def test_too_wide_layers_are_rejected(options, tmp_path, capsys, nothing_is_loaded, monkeypatch):
    start = keras.Input((20, 20, 1))
    conv = layers.Conv2D(30, 3, padding="same", name="conv")(start)
    wide = layers.Dense(12_000, name="wide")(layers.GlobalAveragePooling2D()(conv))
    keras.Model(start, layers.Dense(2)(wide)).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 20, 20, 1), "float32"))
    monkeypatch.setattr(memory, "free", lambda: 8 * 10**9)
    arguments = (tmp_path / "model.keras", "--data", tmp_path / "data.npz", *options)
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert f"measuring layer {options[1]!r} with its 12,000 units: " in err
    assert "--characteristics" in err
    with pytest.raises(AssertionError, match="it was read"):
        run(*arguments, "--characteristics", "sparsity,amplitude")


def test_memory_error_is_reported_in_one_line(folder, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError("Unable to allocate 99 GiB")

    monkeypatch.setattr(npy.Npz, "values", fail)
    assert run(folder / "model.keras", "--data", folder / "data.npz") == 2
    assert capsys.readouterr().err == "keras-repreg: there is not enough memory (Unable to allocate 99 GiB)\n"


def test_memory_limit_raises_memory_error(monkeypatch):
    """Exceeding the memory raises MemoryError instead of killing a process."""
    resource = pytest.importorskip("resource")
    if memory.free() is None or not memory.Path("/proc/self/status").exists():
        pytest.skip("memory usage is unknown")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr(memory, "free", lambda: 10**8)
    with limited(), pytest.raises(MemoryError):
        np.ones(10**9)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert np.ones(10**8).sum() == 10**8


def test_free_memory_in_a_container(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free() == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free() != 600
    (tmp_path / "memory.max").write_text("1000\n")
    memory.check(300, "this")
    with pytest.raises(
        Refusal, match=r"^this: 301 bytes of memory needed, more than 50% of the 600 bytes that are free"
    ):
        memory.check(301, "this")


def test_failed_load_reports_its_cause(folder, tmp_path, capsys):
    """The message says more than that Keras could not deserialize a class."""
    import json

    with zipfile.ZipFile(folder / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1]["config"]["activation"] = "nothing"
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert run(tmp_path / "model.keras", "--data", folder / "data.npz") == 2
    err = capsys.readouterr().err
    assert "Could not interpret activation function identifier: nothing" in err
    assert "deserialized properly" not in err
