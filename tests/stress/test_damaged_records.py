"""Damaged records are repeated and damaged data sets are rejected, and nothing is lost."""

import gzip
import hashlib
import json
import os
import random
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.data.mnist import load_mnist, read_checked
from benchmarks.data.tfds import load_tfds
from benchmarks.sweeps import records
from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import Workers
from keras_repreg.commands.idx import read_idx
from keras_repreg.commands.refusal import Refusal
from tests.benchmarks.sweeps.test_sweep import Run, train
from tests.stress.examples import examples

DEEP = "[" * 100_000
DAMAGE = [b"", b"\x00", b"{", b"null", b"5", b'"x"', b"[]", b"{}", b"\xff\xfe", DEEP.encode(), b"NaN", b"1e999"]


def changed(content, draw):
    """Generate a record that is truncated or has values of wrong types."""
    if draw.random() < 0.3:
        return content[: draw.randrange(len(content))].encode()
    record = json.loads(content)
    place = record
    while True:
        key = draw.choice(list(place))
        if isinstance(place[key], dict) and place[key] and draw.random() < 0.6:
            place = place[key]
            continue
        if draw.random() < 0.4:
            del place[key]
        else:
            place[key] = draw.choice([None, True, "x", [], {}, -1, float("nan"), ["x"], {"x": {}}])
        return json.dumps(record).encode()


@examples(40)
@given(seed=st.integers(0, 2**32))
def test_damaged_records_are_renamed_and_their_runs_repeated(seed, tmp_path, capsys):
    draw = random.Random(seed)
    folder = tmp_path / str(seed)
    run = Run(draw.choice([1, 7]), str(folder))
    folder.mkdir(exist_ok=True)
    place = records.path(folder, run)
    records.write(folder, run, records.FINISHED, result={"loss": 0.5}, wall_seconds=1.0)
    damage = draw.choice(DAMAGE) if draw.random() < 0.3 else changed(place.read_text(), draw)
    place.write_bytes(damage)
    found = records.read(folder, run)
    if found is None:
        assert not place.exists()
        (aside,) = folder.glob("*.damaged")
        assert aside.read_bytes() == damage
        assert capsys.readouterr().err.count("\n") == 1
    else:
        assert found["config"] == json.loads(json.dumps(vars(run)))
        assert place.read_bytes() == damage
    # `status` counts the damaged record, and does not crash.
    (tmp_path / "out").mkdir(exist_ok=True)
    here = tmp_path / "out" / "records"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    (here / "0.json").write_bytes(damage)
    assert main(["status", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip().endswith("record(s) in " + str(here)) or b"crashed" in damage


def test_record_of_another_run_or_folder_in_its_place_is_renamed(tmp_path, capsys, monkeypatch):
    # Nothing is trained, so any backend will do.
    monkeypatch.setattr("benchmarks.training.backend.start", lambda threads: None)
    one, other = Run(1, str(tmp_path)), Run(2, str(tmp_path))
    folder = tmp_path / "records"
    sweep([other], train, folder, workers=Workers(1, quiet=True))
    shutil.copy(records.path(folder, other), records.path(folder, one))
    assert records.read(folder, one) is None
    records.path(folder, one).mkdir()
    (records.path(folder, one) / "mine").write_text("kept")
    (found,) = sweep([one], train, folder, workers=Workers(1, quiet=True))
    assert found["result"]["square"] == 1
    aside = sorted(path.name for path in folder.glob("*.damaged"))
    key = records.key(one)
    assert aside == [f"{key}.1.damaged", f"{key}.damaged"]
    assert (folder / f"{key}.1.damaged" / "mine").read_text() == "kept"
    assert "directory" in capsys.readouterr().err


def test_unreadable_record_is_reported_in_one_line_and_kept(tmp_path, capsys, monkeypatch):
    from pathlib import Path

    run = Run(1, str(tmp_path))
    records.write(tmp_path, run, records.FINISHED, result={"loss": 0.5})

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PermissionError):
        sweep([run], train, tmp_path, workers=Workers(1, quiet=True))
    monkeypatch.undo()
    assert records.read(tmp_path, run)["result"] == {"loss": 0.5}


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@examples(60)
@given(seed=st.integers(0, 2**32), compress=st.booleans())
def test_damaged_idx_files_are_read_or_raise(seed, compress, tmp_path):
    draw = random.Random(seed)
    raw = bytearray(idx(np.arange(24, dtype="u1").reshape(2, 3, 4)))
    for _ in range(draw.randrange(1, 4)):
        raw[draw.randrange(len(raw) if draw.random() < 0.2 else 16)] = draw.choice([0, 1, 3, 4, 127, 128, 255])
    content = bytearray(gzip.compress(bytes(raw)) if compress else raw)
    if draw.random() < 0.5:
        content = content[: draw.randrange(len(content) + 1)]
    elif content and draw.random() < 0.5:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    name = f"images-{seed}"
    path = tmp_path / (f"{name}.gz" if compress else name)
    path.write_bytes(content)
    try:
        assert read_idx(tmp_path, name, 3).ndim == 3
    except Refusal as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
    if compress:
        try:
            assert read_checked(tmp_path, name, hashlib.sha256(content).hexdigest()).dtype == np.uint8
        except ValueError as error:
            assert str(error)  # noqa: PT017


def test_idx_file_with_too_large_a_header_raises(tmp_path):
    """No memory is allocated for the missing content."""
    header = bytes([0, 0, 8, 3]) + np.array([2**31 - 1] * 3, ">i4").tobytes()
    (tmp_path / "a").write_bytes(header + b"x")
    (tmp_path / "b.gz").write_bytes(gzip.compress(header + b"x"))
    bomb = bytes([0, 0, 8, 3]) + np.array([1, 1, 1], ">i4").tobytes() + b"\0" * 50_000_000
    (tmp_path / "c.gz").write_bytes(gzip.compress(bomb))
    for name in "abc":
        with pytest.raises(Refusal, match="not an IDX file"):
            read_idx(tmp_path, name, 3)


@pytest.mark.parametrize("sums", [b"", b"\xff\xfe\x00", b"one\ntwo three four\n", b"abc t10k-images-idx3-ubyte.gz\n"])
def test_invalid_checksums_raise(sums, tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(sums)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte.gz").write_bytes(b"\x1f\x8b no")
    with pytest.raises(ValueError, match="Expected SHA-256"):
        load_mnist(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    place = tmp_path_factory.mktemp("tfds")
    images, labels = np.zeros((12, 4, 4, 3), "uint8"), np.arange(12) % 2
    features = {"image": tfds.features.Image(shape=(4, 4, 3)), "label": tfds.features.ClassLabel(num_classes=2)}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny",
        version="1.0.0",
        data_dir=place,
        features=tfds.features.FeaturesDict(features),
        split_datasets={
            name: tf.data.Dataset.from_tensor_slices({"image": images, "label": labels}) for name in ("train", "test")
        },
        disable_shuffling=True,
    )
    return place


@pytest.mark.parametrize("way", ["empty", "cut off", "other bytes", "gone", "a folder"])
def test_prepared_data_set_with_a_damaged_file_raises(way, prepared, tmp_path):
    names = [path.relative_to(prepared) for path in sorted(prepared.rglob("*")) if path.is_file()]
    refused = 0
    for number, name in enumerate(names):
        copy = tmp_path / str(number)
        shutil.copytree(prepared, copy)
        path, content = copy / name, (copy / name).read_bytes()
        path.unlink()
        if way == "a folder":
            path.mkdir()
        elif way != "gone":
            half = len(content) // 2
            path.write_bytes({"empty": b"", "cut off": content[:half], "other bytes": os.urandom(len(content))}[way])
        try:
            load_tfds("tiny", copy)
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017
    assert refused
