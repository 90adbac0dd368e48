"""Sweeps that are killed repeatedly at any moment, and two sweeps at once on the same records.

`REPREG_KILLS=30 pytest tests/stress/test_kills.py` kills 30 times, and `REPREG_SEED=7` at other moments. The same seed
gives the same kills and delays.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from benchmarks.sweeps import records
from benchmarks.sweeps.locks import claimed
from tests.stress.tiny import runs

KILLS = int(os.environ.get("REPREG_KILLS", "4"))
SEED = int(os.environ.get("REPREG_SEED", "0"))
WORKERS = 2
ROOT = Path(__file__).parents[2]
# Target of the signal: a busy worker, the main process of the sweep, or all processes.
WAYS = (("main", signal.SIGTERM), ("main", signal.SIGKILL), ("worker", signal.SIGKILL), ("all", signal.SIGKILL))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="requires process groups"),
]


def start(folder, number, seconds, workers=WORKERS):
    # Background jobs of a shell ignore SIGINT, and child processes inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += f"from tests.stress.sweeping import main; main({str(folder)!r}, {number}, {seconds}, {workers})"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def processes_of(folder, run, word):
    """Return the processes that have started or ended each run."""
    path = folder / f"{run.number}.{word}"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def recorded(folder, planned):
    """Return the runs with a record, after checking that every record is complete."""
    for path in (folder / "records").glob("*.json"):
        assert json.loads(path.read_text())["result"]["square"] >= 0
    return [run for run in planned if records.path(folder / "records", run).exists()]


def alive(group):
    """Return whether a process of the group runs. A zombie does not: in some containers nothing reaps orphans."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def wait_until(condition, process, seconds=120):
    """Wait until a condition is true. Raise an error if the process of the sweep ends before, or after the timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def survives(group, seconds):
    """Wait until the process group has ended; return whether a process is left after the timeout in seconds."""
    deadline = time.monotonic() + seconds
    while alive(group):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


def kill_a_worker(folder, planned, process, number_of_signal):
    """Send a signal to a process of the sweep that is executing a run."""
    while process.poll() is None:
        for run in planned:
            with contextlib.suppress(ProcessLookupError, IndexError):
                worker = processes_of(folder, run, "started")[len(processes_of(folder, run, "ended")) :][-1]
                if os.getpgid(worker) == process.pid:
                    os.kill(worker, number_of_signal)
                    return


def test_killed_sweeps_lose_and_repeat_nothing_and_leave_no_process(tmp_path, capsys):
    number, seconds = 10 * max(KILLS, 4), 0.05
    planned = runs(tmp_path, number, seconds)
    draw = random.Random(SEED)
    done, sent, statuses = {}, Counter(), []
    try:
        for kill in range(KILLS):
            target, number_of_signal = WAYS[kill] if kill < len(WAYS) else draw.choice(WAYS)
            further, delay = draw.randrange(1, 6), draw.random() * 0.1
            process = start(tmp_path, number, seconds)
            goal = min(len(done) + further, number - 1)
            while process.poll() is None and len(list((tmp_path / "records").glob("*.json"))) < goal:
                time.sleep(0.002)
            time.sleep(delay)
            if target == "all":
                os.killpg(process.pid, number_of_signal)
            elif target == "main":
                process.send_signal(number_of_signal)
            else:
                kill_a_worker(tmp_path, planned, process, number_of_signal)
            sent[f"{number_of_signal.name} to {target}"] += 1
            assert not survives_ten_seconds(process), f"a process is left after {number_of_signal.name} to {target}"
            statuses.append(process.returncode)
            expected = {signal.SIGTERM: 143}.get(number_of_signal, 1 if target == "worker" else -signal.SIGKILL)
            assert process.returncode in (expected, 0)  # 0 if the sweep had already ended
            for run in recorded(tmp_path, planned):
                ended = len(processes_of(tmp_path, run, "ended"))
                # Recorded runs were not repeated, and every record is of a run that ended.
                assert ended == done.get(run, ended) >= 1
                done[run] = ended
        unfinished = list((tmp_path / "records").glob(".*.json.*"))
        assert len(unfinished) <= KILLS * WORKERS
        # The sweep removes unfinished files older than an hour.
        for path in unfinished:
            os.utime(path, (0, 0))
        (tmp_path / "records" / ".1.json.old").write_text("")
        os.utime(tmp_path / "records" / ".1.json.old", (0, 0))
        process = start(tmp_path, number, seconds)
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert recorded(tmp_path, planned) == planned
        assert all(len(processes_of(tmp_path, run, "ended")) == times for run, times in done.items())
        names = {path.name for path in (tmp_path / "records").iterdir()}
        assert names == {*(f"{records.key(run)}.json" for run in planned), ".claims"}
        again = sum(len(processes_of(tmp_path, run, "started")) - 1 for run in planned)
        assert again <= KILLS * WORKERS  # a killed run starts once more
    except AssertionError as error:
        raise AssertionError(f"REPREG_SEED={SEED} REPREG_KILLS={KILLS}: {error}") from error
    with capsys.disabled():
        if "REPREG_KILLS" in os.environ:
            print(f"\n{dict(sent)}; {len(done)} of {number} runs done before the last sweep; {again} started again, "
                  f"{len(unfinished)} unfinished files, exit codes {dict(Counter(statuses))}")  # fmt: skip


def survives_ten_seconds(process):
    """Return whether a process of the sweep is left ten seconds after the signal."""
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    left = process.poll() is None or survives(process.pid, max(deadline - time.monotonic(), 0.1))
    if left:  # so that no test process remains
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return left


@pytest.mark.parametrize(("number_of_signal", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sigterm_stops_a_sweep_like_ctrl_c(tmp_path, number_of_signal, status):
    process = start(tmp_path, 4, 60.0)
    wait_until(lambda: len(list(tmp_path.glob("*.started"))) == WORKERS, process)
    process.send_signal(number_of_signal)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (
        status, "Interrupted. Finished runs are recorded; run the same command to continue.\n",
    )  # fmt: skip
    assert not survives(process.pid, 10)


def test_two_sweeps_share_the_runs(tmp_path, capsys):
    number, seconds = (60, 0.2) if "REPREG_KILLS" in os.environ else (10, 0.1)
    planned = runs(tmp_path, number, seconds)
    pair = [start(tmp_path, number, seconds, 1) for _ in range(2)]
    for process in pair:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert recorded(tmp_path, planned) == planned
    assert [len(processes_of(tmp_path, run, "started")) for run in planned] == [1] * number
    shares = Counter(processes_of(tmp_path, run, "ended")[0] for run in planned)
    with capsys.disabled():
        if "REPREG_KILLS" in os.environ:
            print(f"\ntwo sweeps, runs by process: {sorted(shares.values())}")


def test_lock_is_released_with_its_process(tmp_path):
    planned = runs(tmp_path, 1, 60.0)
    process = start(tmp_path, 1, 60.0, 1)
    wait_until(lambda: processes_of(tmp_path, planned[0], "started"), process)
    with claimed(tmp_path / "records", records.key(planned[0]), wait=False) as ours:
        assert not ours
    assert alive(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    with claimed(tmp_path / "records", records.key(planned[0]), wait=False) as ours:
        assert ours
