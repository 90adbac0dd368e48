"""Sweeps execute every run exactly once, even after crashes and interruptions."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import pytest

from benchmarks.__main__ import main
from benchmarks.sweeps import records
from benchmarks.sweeps.sweep import execute, sweep
from benchmarks.sweeps.workers import Workers
from benchmarks.tables.files import write_keeping_old
from benchmarks.training.mnist import MnistRun
from keras_repreg.files import write_atomically


@dataclass(frozen=True)
class Run:
    number: int
    folder: str
    several: tuple[float, ...] = (0.1, 1.0)


def train(run):
    """Log the call to a file, and fail as configured."""
    with open(os.path.join(run.folder, f"calls{run.number}"), "a", encoding="utf-8") as file:
        file.write("x")
    if run.number == 13:
        raise RuntimeError("unlucky")
    return {"loss": float("nan") if run.number == 7 else 0.5, "square": run.number**2}


def slow(run):
    time.sleep(0.2)
    return train(run)


def calls(folder, number):
    path = folder / f"calls{number}"
    return len(path.read_text()) if path.exists() else 0


def test_each_run_is_executed_once(tmp_path):
    runs = [Run(number, str(tmp_path)) for number in (1, 2, 3, 2)]
    for _ in range(2):
        found = sweep(runs, train, tmp_path / "records", workers=Workers(2, quiet=True))
        assert [record["result"]["square"] for record in found] == [1, 4, 9, 4]
    assert [calls(tmp_path, n) for n in (1, 2, 3)] == [1, 1, 1]
    record = json.loads(next((tmp_path / "records").glob("*.json")).read_text())
    assert {"config", "status", "result", "wall_seconds", "environment"} <= set(record)
    assert {"python", "versions", "machine", "commit"} == set(record["environment"])


def test_crashed_and_diverged_runs_are_recorded(tmp_path):
    runs = [Run(number, str(tmp_path)) for number in (7, 13, 1)]
    for _ in range(2):
        found = sweep(runs, train, tmp_path, workers=Workers(1, quiet=True))
        assert [record["status"] for record in found] == ["diverged", "crashed", "finished"]
        assert "RuntimeError: unlucky" in found[1]["error"]
    assert calls(tmp_path, 7) == 1
    assert calls(tmp_path, 13) == 2  # the cause may be temporary


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"status": "finished"}', '{"config": {}, "status": "finished"}'])
def test_damaged_record_is_reported_and_its_run_repeated(tmp_path, damage, capsys):
    run = Run(1, str(tmp_path))
    sweep([run], train, tmp_path, workers=Workers(1, quiet=True))
    records.path(tmp_path, run).write_text(damage)
    (found,) = sweep([run], train, tmp_path, workers=Workers(1, quiet=True))
    assert found["result"]["square"] == 1
    assert calls(tmp_path, 1) == 2
    assert "damaged" in capsys.readouterr().err
    assert records.path(tmp_path, run).with_suffix(".damaged").read_text() == damage


@pytest.mark.slow
def test_killed_sweep_continues_where_it_stopped(tmp_path):
    code = (
        "from tests.benchmarks.sweeps.test_sweep import *\n"
        "from pathlib import Path\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "runs = [Run(100 + n, str(folder)) for n in range(30)]\n"
        "sweep(runs, slow, folder / 'records', workers=Workers(2, quiet=True))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "records").glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    runs = [Run(100 + n, str(tmp_path)) for n in range(30)]
    done = [run for run in runs if records.read(tmp_path / "records", run)]
    assert 3 <= len(done) < 30
    found = sweep(runs, train, tmp_path / "records", workers=Workers(2, quiet=True))
    assert [record["result"]["square"] for record in found] == [(100 + n) ** 2 for n in range(30)]
    assert all(calls(tmp_path, run.number) == 1 for run in done)


def test_status_reports_outcomes(tmp_path, capsys):
    folder = tmp_path / "records"
    run = MnistRun("CR", 1.0, 1, 50)
    records.write(folder, run, records.FINISHED, result={"loss": 1.0}, wall_seconds=120)
    records.write(folder, replace(run, seed=2), records.DIVERGED, result={"loss": None})
    records.write(folder, replace(run, width=2), records.CRASHED, error="Traceback\nValueError: no luck")
    (folder / "0.json").write_text("{")
    assert main(["status", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"mnist, 50 epochs +1 diverged, 1 finished; 2 process minutes", printed)
    assert re.search(r"mnist, width 2, 50 epochs +1 crashed", printed)
    assert "1 damaged" in printed
    assert "ValueError: no luck" in printed
    assert main(["status", "--out", str(tmp_path / "elsewhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_keys_distinguish_configurations():
    assert records.key(Run(1, "a")) == records.key(Run(1, "a"))
    assert len({records.key(run) for run in (Run(1, "a"), Run(2, "a"), Run(1, "b"))}) == 3


def test_keys_distinguish_backends(monkeypatch):
    keys = set()
    for name in ("tensorflow", "jax"):
        monkeypatch.setenv("KERAS_BACKEND", name)
        keys.add(records.key(Run(1, "")))
    monkeypatch.delenv("KERAS_BACKEND")
    assert len(keys) == 2
    assert records.key(Run(1, "")) in keys


def backend_of_the_process(run):
    return {"loss": 0.0, "backend": os.environ["KERAS_BACKEND"]}


def test_worker_uses_the_given_backend(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.training.backend.start", lambda threads: None)
    for own in ("torch", ""):
        monkeypatch.setenv("KERAS_BACKEND", own)
        record = execute(backend_of_the_process, Run(1, own), tmp_path, 1, "jax")
        assert record["result"]["backend"] == "jax"
        assert set(record["environment"]["versions"]) <= {"keras", "jax", "jaxlib", "numpy", "keras-repreg"}


def test_files_are_complete_or_absent(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_atomically(path, "one")
    with pytest.raises(TypeError):
        write_atomically(path, 5)
    assert path.read_text() == "one"
    assert write_keeping_old(path, "one") is None
    assert write_keeping_old(path, "two") == path.with_name("file.1.txt")
    assert write_keeping_old(path, "three").read_text() == "two"
    assert sorted(p.name for p in path.parent.iterdir()) == ["file.1.txt", "file.2.txt", "file.txt"]
