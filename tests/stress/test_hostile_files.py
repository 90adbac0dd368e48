"""Models and arrays that are damaged or mean harm: one line, nothing executed, nothing written."""

import io
import json
import os
import pickle
import random
import sys
import zipfile

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
    """Unpickled, it makes a folder."""

    def __reduce__(self):
        return os.mkdir, (EXPLOITED,)


def refused(model, data, capsys, words=""):
    """That the command line ends with one line and leaves everything as it was."""
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
def test_a_model_that_means_harm(kind, place, folder, here, capsys):  # noqa: F811
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


@pytest.mark.parametrize("units", [-1, 0, 10**18, 10**30, "8", None, 1.5])
def test_shapes_that_no_machine_holds(units, folder, here, capsys):  # noqa: F811
    if units == 10**18 and keras.backend.backend() == "jax":
        pytest.skip("XLA ends the process")
    parts = parts_of(folder / "model.keras")
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1]["config"]["units"] = units
    path = write(here / "large.keras", {**parts, "config.json": json.dumps(config)})
    refused(path, folder / "data.npz", capsys)


def test_paths_that_lead_out_of_an_archive(folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    absolute = str(here.parent / "absolute")
    out = {"../outside": b"x", absolute: b"x", "assets/../../outside": b"x"}
    path = write(here / "out.keras", {**parts, **out})
    main(["measure", str(path), "--data", str(folder / "data.npz")])
    assert os.listdir(here) == ["out.keras"]
    assert os.listdir(here.parent) == ["here"]
    assert not os.path.exists(absolute)


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_a_part_is_missing_or_empty(missing, folder, here, capsys):  # noqa: F811
    parts = parts_of(folder / "model.keras")
    for content in (None, b"", b"{}", b"\x89HDF\r\n\x1a\n"):
        given = {name: part for name, part in parts.items() if name != missing}
        if content is not None:
            given[missing] = content
        refused(write(here / "part.keras", given), folder / "data.npz", capsys)


def damaged(content, draw):
    """Cut off, or with bytes changed."""
    content = bytearray(content)
    if draw.random() < 0.3:
        return bytes(content[: draw.randrange(len(content))])
    for _ in range(draw.randrange(1, 30)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


@examples(25)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_model_or_array_is_measured_or_refused(seed, folder, here, capsys):  # noqa: F811
    """Some bytes do not matter; of the others, one line."""
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


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


OBJECT = np.array([Payload(), None], dtype=object)


def arrays():
    """{what is wrong: (parts of an npz, a part of what is said)}."""
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
        "nothing": ({}, "holds no array x"),
        "empty": ({"x.npy": b""}, "cannot be read"),
        "complex": (
            {"x.npy": npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 5), }", b"\0" * 40)},
            "dtype complex64",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(arrays()))
def test_arrays_that_mean_harm(kind, folder, here, capsys):  # noqa: F811
    parts, words = arrays()[kind]
    refused(folder / "model.keras", write(here / "harm.npz", parts), capsys, words)


@pytest.mark.parametrize(
    "content", [b"", b"x,y\n1,2\n", pickle.dumps(Payload()), b"PK", b"\x93NUMPY\x01\x00"], ids=repr
)
def test_what_is_called_npz_and_is_none(content, folder, here, capsys):  # noqa: F811
    (here / "other.npz").write_bytes(content)
    refused(folder / "model.keras", here / "other.npz", capsys, "is not an npz file")


def test_the_payload_would_work(here):
    """What the tests above show is not that it is harmless."""
    np.savez("harm.npz", x=OBJECT)
    with np.load("harm.npz", allow_pickle=True) as loaded:
        loaded["x"]
    assert os.path.isdir(EXPLOITED)
    assert "tests.stress.test_hostile_files" in sys.modules
