"""Damaged or malicious models and arrays give one line of error; nothing is executed or written."""

import io
import json
import os
import pickle
import random
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_repreg.commands import main
from tests.commands.conftest import folder  # noqa: F401 - a fixture
from tests.stress.examples import examples

EXPLOITED = "exploited"


class Payload:
    """An object that creates a folder when unpickled."""

    def __reduce__(self):
        return os.mkdir, (EXPLOITED,)


def refused(model, data, capsys, words=""):
    """Assert that the command line ends with one line of error and leaves all files unchanged."""
    before = {p: p.read_bytes() for p in (*model.parent.rglob("*"), *data.parent.rglob("*")) if p.is_file()}
    capsys.readouterr()
    code = main(["measure", str(model), "--data", str(data)])
    out, err = capsys.readouterr()
    assert code == 2, out
    assert err.count("\n") == 1, err
    assert err.startswith("keras-repreg: ")
    assert words in err, err
    assert not os.path.exists(EXPLOITED)
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.fixture
def here(tmp_path, monkeypatch):
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def parts_of(model):
    with zipfile.ZipFile(model) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, parts):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def code(name, module, config):
    return {"class_name": name, "module": module, "registered_name": None, "config": config}


LAMBDA = {"name": "z", "function": {"class_name": "__lambda__", "config": {"code": "", "defaults": None}}}
MKDIR = {"class_name": "function", "module": "builtins", "config": "mkdir", "registered_name": "function"}
HARMFUL = {
    "lambda": code("Lambda", "keras.layers", LAMBDA),
    "a lambda that calls": code("Lambda", "keras.layers", {"name": "z", "function": {**MKDIR, "module": "os"}}),
    "os.mkdir": code("mkdir", "os", {"path": EXPLOITED}),
    "os.system": code("system", "os", {"command": f"mkdir {EXPLOITED}"}),
    "subprocess": code("Popen", "subprocess", {"args": ["mkdir", EXPLOITED]}),
    "eval": code("eval", "builtins", {"source": f"__import__('os').mkdir('{EXPLOITED}')"}),
    "a class of the tests": code("Payload", "tests.stress.test_hostile_files", {}),
    "no such class": code("Nonsense", "keras.layers", {}),
    "safe mode off": code("enable_unsafe_deserialization", "keras.config", {}),
    "a list": [],
    "text": "Dense",
    "nothing": None,
}


@pytest.mark.parametrize("kind", HARMFUL)
@pytest.mark.parametrize("place", ["model", "layer", "activation"])
def test_malicious_models_are_rejected(kind, place, folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    config = json.loads(parts["config.json"])
    if place == "model":
        config = HARMFUL[kind]
    elif place == "layer":
        config["config"]["layers"][1] = HARMFUL[kind]
    elif HARMFUL[kind] is None:
        pytest.skip("no activation is one")
    else:
        config["config"]["layers"][1]["config"]["activation"] = HARMFUL[kind]
    path = write(here / "harm.keras", {**parts, "config.json": json.dumps(config)})
    refused(path, folder / "data.npz", capsys)


@pytest.mark.parametrize("units", [-1, 0, 10**11, 10**18, 10**30, "8", None, 1.5])
def test_impossibly_large_shapes_are_rejected(units, folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    config = json.loads(parts["config.json"])
    layers = config["config"]["layers"]
    layers[1]["config"]["units"] = units
    for layer in layers[2:]:
        layer["build_config"] = None
    path = write(here / "large.keras", {**parts, "config.json": json.dumps(config)})
    refused(path, folder / "data.npz", capsys, "of memory needed" if units in (10**11, 10**18) else "")


def test_paths_outside_the_archive_are_rejected(folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    absolute = str(here.parent / "absolute")
    out = {"../outside": b"x", absolute: b"x", "assets/../../outside": b"x"}
    path = write(here / "out.keras", {**parts, **out})
    refused(path, folder / "data.npz", capsys, "points outside of it")
    assert os.listdir(here) == ["out.keras"]
    assert os.listdir(here.parent) == ["here"]
    assert not os.path.exists(absolute)


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_missing_or_empty_archive_members_are_rejected(missing, folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    for content in (None, b"", b"{}", b"\x89HDF\r\n\x1a\n"):
        given = {name: part for name, part in parts.items() if name != missing}
        if content is not None:
            given[missing] = content
        refused(write(here / "part.keras", given), folder / "data.npz", capsys)


def damaged(content, draw):
    """Return the content truncated, or with changed bytes."""
    content = bytearray(content)
    if draw.random() < 0.3:
        return bytes(content[: draw.randrange(len(content))])
    for _ in range(draw.randrange(1, 30)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


@examples(25)
@given(seed=st.integers(0, 2**32))
def test_damaged_model_or_array_is_measured_or_rejected(seed, folder, here, capsys):  # noqa: F811
    """Changes to some bytes do not matter; all others give one line of error."""
    draw = random.Random(seed)
    for name in ("model.keras", "data.npz"):
        (here / name).write_bytes((folder / name).read_bytes())
    chosen = here / draw.choice(["model.keras", "data.npz"])
    chosen.write_bytes(damaged(chosen.read_bytes(), draw))
    capsys.readouterr()
    code = main(["measure", "model.keras", "--data", "data.npz"])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) in ((0, 0), (2, 1)), (code, err)
    assert sorted(os.listdir(here)) == ["data.npz", "model.keras"]


def weights(folder, here, change):  # noqa: F811
    """Write a model with changed weights."""
    parts = parts_of(folder / "model.keras")
    content = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        change(file, file["layers/dense/vars"])
    return write(here / "weights.keras", {**parts, "model.weights.h5": content.getvalue()})


def never_written(file, kernel):
    del kernel["0"]
    kernel.create_dataset("0", (10**9,), "f4", chunks=(10**6,), compression="gzip")


def wide_text(file, kernel):
    del kernel["0"]
    kernel.create_dataset("0", (1,), "S1000000000", chunks=(1,), compression="gzip")


def in_another_file(file, kernel):
    del kernel["0"]
    kernel.create_dataset("0", (5, 8), "f4", external=[("/etc/passwd", 0, 160)])


def virtual(file, kernel):
    layout = h5py.VirtualLayout((5, 8), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", (5, 8))
    del kernel["0"]
    kernel.create_virtual_dataset("0", layout)


def linked(target):
    def change(file, kernel):
        del kernel["0"]
        kernel["0"] = target

    return change


def ring(file, kernel):
    """Add a group that contains itself, which changes no value."""
    kernel.parent["again"] = file["layers"]
    never_written(file, kernel)


WEIGHTS = {
    "never written": (never_written, "of shape (1000000000,) (float32), and the largest of the model has"),
    "wide text": (wide_text, "the largest of the model has"),
    "in another file": (in_another_file, "are in another file"),
    "virtual": (virtual, "are in another file"),
    "soft link": (linked(h5py.SoftLink("/layers/dense/vars/1")), "SoftLink"),
    "external link": (linked(h5py.ExternalLink("elsewhere.h5", "/data")), "ExternalLink"),
    "ring": (ring, "the largest of the model has"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_are_checked_before_they_are_read(kind, folder, here, capsys, monkeypatch):  # noqa: F811
    change, words = WEIGHTS[kind]
    path = weights(folder, here, change)
    loaded = []
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **kwargs: loaded.append(args))
    refused(path, folder / "data.npz", capsys, words)
    assert loaded == []


def test_unloaded_optimizer_variables_are_not_checked(folder, here, capsys):  # noqa: F811
    def change(file, kernel):
        file.create_dataset("optimizer/vars/0", (10**9,), "f4", chunks=(10**6,), compression="gzip")

    path = weights(folder, here, change)
    assert main(["measure", str(path), "--data", str(folder / "data.npz")]) == 0


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/vocabulary.txt"])
def test_decompression_bombs_are_rejected(name, folder, here, capsys):  # noqa: F811
    path = here / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, content in parts_of(folder / "model.keras").items():
            if other != name:
                archive.writestr(other, content)
        archive.writestr(name, b" " * 2**25)
    refused(path, folder / "data.npz", capsys, f"its part {name!r} expands from")


def test_duplicate_names_are_rejected(folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    path = write(here / "twice.keras", parts)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    refused(path, folder / "data.npz", capsys, "2 parts named config.json")


GET_FILE = {"class_name": "function", "module": "keras.utils", "config": "get_file", "registered_name": "get_file"}
CODE = {
    "a download": (
        code("Lambda", "keras.layers", {"name": "z", "function": GET_FILE, "arguments": {"origin": "file:///etc/passwd"}}),
        "it contains code, a Lambda named 'z'",
    ),
    "a function": (code("Activation", "keras.layers", {"name": "z", "activation": GET_FILE}), "keras.utils.get_file"),
    "a saved model": (code("TFSMLayer", "keras.layers", {"filepath": "model"}), "it contains code, a TFSMLayer"),
    "a pickle": (code("TorchModuleWrapper", "keras.layers", {"module": "x"}), "it contains code, a TorchModuleWrapper"),
    "a vocabulary": (
        code("StringLookup", "keras.layers", {"name": "z", "vocabulary": "/etc/passwd"}), "reads the file '/etc/passwd",
    ),
    "a module": (code("Client", "http.client", {"name": "z"}), "it names http.client.Client"),
    "a method": (
        code("function", "keras.models", "clone_model") | {"registered_name": "clone_model"}, "it names keras.models",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CODE)
def test_code_is_named_in_the_error(kind, folder, here, capsys):  # noqa: F811
    layer, words = CODE[kind]
    parts = parts_of(folder / "model.keras")
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] = layer
    refused(
        write(here / "code.keras", {**parts, "config.json": json.dumps(config)}), folder / "data.npz", capsys, words
    )


def test_deeply_nested_configuration_is_rejected(folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    for content in ("[" * 10**6, '{"a":' * 10**5 + "1" + "}" * 10**5):
        refused(write(here / "deep.keras", {**parts, "config.json": content}), folder / "data.npz", capsys)


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


OBJECT = np.array([Payload(), None], dtype=object)


def arrays():
    """Return {problem: (members of an npz, part of the message)}."""
    saved = io.BytesIO()
    np.save(saved, OBJECT, allow_pickle=True)
    x = io.BytesIO()
    np.save(x, np.ones((4, 5), "float32"))
    return {
        "objects": ({"x.npy": saved.getvalue()}, "pickled objects"),
        "objects as labels": ({"x.npy": x.getvalue(), "y.npy": saved.getvalue()}, "pickled objects"),
        "a pickle": ({"x.npy": pickle.dumps(Payload())}, "cannot be read"),
        "a header that calls": ({"x.npy": npy(f"__import__('os').mkdir('{EXPLOITED}')")}, "cannot be read"),
        "a header that is huge": (
            {"x.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 100000), }")},
            "cannot be read",
        ),
        "a header that is negative": (
            {"x.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 5), }")}, "",
        ),
        "objects by header": (
            {"x.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 5), }", pickle.dumps(OBJECT))},
            "pickled objects",
        ),
        "structures": (
            {"x.npy": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1, 1), }", b"\0" * 8)},
            "not an array of samples of real numbers",
        ),
        "cut off": ({"x.npy": x.getvalue()[:-1]}, "cannot be read"),
        "text": ({"x.npy": b"1,2,3"}, "cannot be read"),
        "nothing": ({}, "contains no array x"),
        "empty": ({"x.npy": b""}, "cannot be read"),
        "complex": (
            {"x.npy": npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 5), }", b"\0" * 40)},
            "dtype complex64",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(arrays()))
def test_malicious_arrays_are_rejected(kind, folder, here, capsys):  # noqa: F811
    parts, words = arrays()[kind]
    refused(folder / "model.keras", write(here / "harm.npz", parts), capsys, words)


@pytest.mark.parametrize(
    "content", [b"", b"x,y\n1,2\n", pickle.dumps(Payload()), b"PK", b"\x93NUMPY\x01\x00"], ids=repr
)
def test_files_named_npz_that_are_not_npz_are_rejected(content, folder, here, capsys):  # noqa: F811
    (here / "other.npz").write_bytes(content)
    refused(folder / "model.keras", here / "other.npz", capsys, "is not an npz file")


def test_payload_works_if_unpickled(here):
    """The payload is effective, so the tests above are meaningful."""
    np.savez("harm.npz", x=OBJECT)
    with np.load("harm.npz", allow_pickle=True) as loaded:
        loaded["x"]
    assert os.path.isdir(EXPLOITED)
    assert "tests.stress.test_hostile_files" in sys.modules
