"""Which records a sweep reuses, and its messages about them."""

import json
import os
import time
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import data
from benchmarks.__main__ import main
from benchmarks.sweeps import records
from benchmarks.sweeps.sweep import execute, sweep
from benchmarks.sweeps.workers import Workers

ONE = Workers(1, quiet=True)


@dataclass(frozen=True)
class Run:
    number: int
    dataset: str = "images"


CALLS = []


def train(run):
    CALLS.append(run.number)
    return {"loss": 0.5, "number": run.number}


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    CALLS.clear()
    monkeypatch.setattr("benchmarks.training.backend.start", lambda threads: None)
    monkeypatch.setattr(data, "digest", lambda name: f"digest of {name}")


RUNS = [Run(number) for number in range(12)]


def test_matching_records_are_reused_silently(tmp_path, capsys):
    for _ in range(2):
        found = sweep(RUNS, train, tmp_path, workers=ONE)
        assert [record["result"]["number"] for record in found] == list(range(12))
        assert {record["data"] for record in found} == {"digest of images"}
    assert sorted(CALLS) == list(range(12))
    assert capsys.readouterr().err == ""


def test_changed_data_set_is_trained_on_again(tmp_path, capsys, monkeypatch):
    sweep(RUNS, train, tmp_path, workers=ONE)
    sweep([Run(50, "others")], train, tmp_path, workers=ONE)
    CALLS.clear()
    monkeypatch.setattr(data, "digest", lambda name: "new" if name == "images" else f"digest of {name}")
    found = sweep([*RUNS[:3], Run(50, "others")], train, tmp_path, workers=ONE, title="Table 0")
    assert CALLS == [0, 1, 2]
    assert [record["data"] for record in found] == ["new"] * 3 + ["digest of others"]
    assert capsys.readouterr().err == (
        "Table 0: 3 of 4 records name other data or none, so their runs are repeated (--fresh repeats all runs)\n"
    )


def test_worker_with_other_data_does_not_train(tmp_path):
    record = execute(train, Run(1), tmp_path, data="elsewhere")
    assert record["status"] == records.CRASHED
    assert "Expected data set 'images' with digest elsewhere. Received: digest of images" in record["error"]
    assert not CALLS


def test_record_without_data_digest_is_not_reused(tmp_path):
    sweep(RUNS[:1], train, tmp_path, workers=ONE)
    place = records.path(tmp_path, RUNS[0])
    place.write_text(json.dumps({k: v for k, v in json.loads(place.read_text()).items() if k != "data"}))
    sweep(RUNS[:1], train, tmp_path, workers=ONE)
    assert CALLS == [0, 0]


def test_records_of_other_versions_are_counted_in_one_line(tmp_path, capsys):
    sweep(RUNS, train, tmp_path, workers=ONE)
    for run in RUNS:
        place = records.path(tmp_path, run)
        record = json.loads(place.read_text())
        assert {"keras", "numpy", "keras-repreg"} < set(record["environment"]["versions"])
        record["environment"]["versions"]["keras"] = "3.14"
        if run.number < 5:
            record["environment"]["versions"]["numpy"] = "1.26"
        place.write_text(json.dumps(record))
    sweep(RUNS, train, tmp_path, workers=ONE, title="Table 0")
    assert capsys.readouterr().err == (
        "Table 0: 12 of 12 records were made with keras 3.14; 5 of 12 records were made with numpy 1.26 "
        "(--fresh repeats all runs)\n"
    )
    assert len(CALLS) == 12


def test_fresh_discards_only_earlier_records(tmp_path):
    for run in RUNS[:3]:
        records.write(tmp_path, run, records.FINISHED, result={"loss": 1.0})
    os.utime(records.path(tmp_path, RUNS[0]), (1, 1))
    records.discard(tmp_path, RUNS, before=time.time() - 100)
    assert [records.path(tmp_path, run).exists() for run in RUNS[:4]] == [False, True, True, False]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires FIFOs")
@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_special_file_in_place_of_a_record_is_renamed_unread(kind, tmp_path, capsys):
    place = records.path(tmp_path, RUNS[0])
    if kind == "FIFO":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    (found,) = sweep(RUNS[:1], train, tmp_path, workers=ONE)
    assert found["result"]["number"] == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"is damaged (it is not a file but a {'FIFO' if kind == 'FIFO' else 'symbolic link'})" in err
    assert place.with_suffix(".damaged").is_symlink() == (kind == "device")
    # `status` does not open it either.
    (tmp_path / "records").mkdir()
    os.replace(place.with_suffix(".damaged"), tmp_path / "records" / "0.json")
    assert main(["status", "--out", str(tmp_path)]) == 0
    assert "1 damaged" in capsys.readouterr().out


def test_csv_states_its_provenance(tmp_path):
    found = sweep(RUNS, train, tmp_path, workers=ONE)
    for record in found:
        record["environment"]["commit"] = "abc"
    text = records.provenance(found)
    assert text.startswith("commit abc; configuration ")
    assert text.endswith("; 12 records")
    assert records.provenance(found[::-1]) == text
    for changed in (found[1:], [{**found[0], "data": "other"}, *found[1:]], [{**found[0], "config": {}}, *found[1:]]):
        assert records.provenance(changed).split("; ")[1] != text.split("; ")[1]


def test_digests_depend_on_configurations_and_data(tmp_path, monkeypatch):
    monkeypatch.undo()
    names = ("mnist", "mnist-pca-10", "mnist-pca-50", "synthetic-10", "synthetic-50")
    assert len({data.digest(name) for name in names}) == len(names)
    from benchmarks.data import factors, mnist

    before = {name: data.digest(name) for name in names}
    monkeypatch.setattr(mnist, "FOLDER", tmp_path)
    monkeypatch.setattr(mnist, "checksums", lambda: "{}")
    monkeypatch.setattr(factors, "TRAINING", 10)
    assert not {data.digest(name) for name in names} & set(before.values())


def test_changed_prepared_data_set_is_read_again(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    seen = []
    for value in (0, 255):
        arrays = {f"x_{part}": np.full((10, 4, 4, 3), value, "uint8") for part in ("train", "test")}
        np.savez(tmp_path / "images.npz", **arrays, y_train=np.arange(10) % 2, y_test=np.arange(10) % 2)
        import shutil

        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        assert main(["prepare", str(tmp_path / "images.npz"), "--name", "plain"]) == 0
        seen.append((data.digest("plain"), float(data.load("plain").train.x.mean())))
        assert data.load("plain") is data.load("plain")
    assert seen[0][0] != seen[1][0]
    assert [mean for _, mean in seen] == [0, 1]
