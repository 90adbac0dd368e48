"""Sweeps on clusters: if a worker is killed, only its run is repeated."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from types import SimpleNamespace

import pytest

from benchmarks.__main__ import main
from benchmarks.failures import run_reporting_errors
from benchmarks.sweeps import records, workers
from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import Workers
from tests.benchmarks.sweeps.test_sweep import Run, slow, train


@pytest.mark.slow
def test_dask_cluster_survives_the_loss_of_a_worker(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        processes = list(client.run(os.getpid).values())
        killed = threading.Event()

        def kill_one():
            while len(list(tmp_path.glob("*.json"))) < 3:
                time.sleep(0.05)
            os.kill(processes[0], signal.SIGKILL)
            killed.set()

        killer = threading.Thread(target=kill_one)
        killer.start()
        runs = [Run(200 + n, str(tmp_path)) for n in range(20)]
        found = sweep(
            runs, slow, tmp_path, workers=Workers(backend="dask", address=cluster.scheduler_address, quiet=True)
        )
        killer.join()
        assert killed.is_set()
        assert processes[0] not in client.run(os.getpid).values()
    assert [record["result"]["square"] for record in found] == [run.number**2 for run in runs]


def test_records_from_other_file_systems_are_kept(tmp_path):
    """Workers may not share a file system with the main process."""
    run = Run(1, str(tmp_path))
    record = records.write(tmp_path / "there", run, records.FINISHED, result={"loss": 1.0})
    records.keep(tmp_path / "here", record)
    assert records.read(tmp_path / "here", run) == records.read(tmp_path / "there", run)


@pytest.mark.slow
def test_missing_scheduler_raises(tmp_path, capsys):
    pytest.importorskip("distributed")
    arguments = ["table2", "--smoke", "--quiet", "--backend", "dask", "--out", str(tmp_path)]
    assert main([*arguments, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "Expected a Dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"backend": "slurm"}, "Received: 'slurm'"), ({"address": "tcp://here:1"}, "Received: 'tcp://here:1'")],
)
def test_invalid_workers_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        Workers(**arguments)


def test_missing_backend_raises(tmp_path, monkeypatch):
    for backend, module in (("dask", "dask.distributed"), ("ray", "ray")):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ValueError, match=f"Expected {backend} to be installed"):
            sweep([Run(1, str(tmp_path))], train, tmp_path, workers=Workers(backend=backend, quiet=True))


class RayError(Exception):
    """Stands in for `ray.exceptions.RayError`."""


@pytest.mark.parametrize(("error", "expected"), [(RayError("an actor died"), BrokenExecutor), (OSError("x"), OSError)])
def test_dead_ray_worker_raises_broken_executor(error, expected, monkeypatch):
    shut_down = []
    ray = SimpleNamespace(
        init=lambda **arguments: None,
        shutdown=lambda: shut_down.append(True),
        exceptions=SimpleNamespace(RayError=RayError),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ray.util.joblib", SimpleNamespace(register_ray=lambda: None))
    with pytest.raises(expected), workers._ray(None, 2):
        raise error
    assert shut_down == [True]


def test_broken_pool_is_reported_in_one_line(capsys):
    def break_down():
        raise BrokenExecutor("actor 1 died")

    assert run_reporting_errors(break_down) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "a worker process was killed" in err


def test_pool_broken_by_sigterm_is_an_interruption(capsys):
    def break_down():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            raise BrokenExecutor("its workers were ended") from None

    before = signal.getsignal(signal.SIGTERM)
    assert run_reporting_errors(break_down) == 143
    assert capsys.readouterr().err == "Interrupted. Finished runs are recorded; run the same command to continue.\n"
    assert signal.getsignal(signal.SIGTERM) is before
