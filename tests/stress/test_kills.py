"""Sweeps that are killed at any moment, again and again, and two at once on the same records.

`REPREG_KILLS=40 pytest tests/stress/test_kills.py` kills that often; with `REPREG_WORKERS=2` the sweeps have two worker
processes, which each import TensorFlow anew.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.sweeps import records
from tests.stress.sweeping import runs

KILLS = int(os.environ.get("REPREG_KILLS", "3"))
WORKERS = int(os.environ.get("REPREG_WORKERS", "0"))
ROOT = Path(__file__).parents[2]


def start(folder, number, seconds, workers=WORKERS):
    command = [sys.executable, "-m", "tests.stress.sweeping", *map(str, (folder, number, seconds, workers))]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)


def lines(folder, run, word):
    path = folder / f"{run.number}.{word}"
    return len(path.read_text().splitlines()) if path.exists() else 0


def whole(folder, planned):
    """The runs that have a record; every file that is called one is whole."""
    for path in (folder / "records").glob("*.json"):
        assert json.loads(path.read_text())["result"]["square"] >= 0
    return [run for run in planned if records.path(folder / "records", run).exists()]


def test_nothing_is_lost_or_done_twice_or_left_behind(tmp_path, capsys):
    number, seconds = 12 * max(KILLS, 3), 0.004
    planned = runs(tmp_path, number, seconds)
    draw = random.Random(time.time_ns())
    done, most_left = {}, 0
    for _ in range(KILLS):
        process = start(tmp_path, number, seconds)
        before = len(done)
        deadline = time.monotonic() + 60
        # Some runs further, and then at any moment of one.
        while time.monotonic() < deadline and process.poll() is None:
            if len(list((tmp_path / "records").glob("*.json"))) > min(before + draw.randrange(8), number - 1):
                break
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for run in whole(tmp_path, planned):
            ended = lines(tmp_path, run, "ended")
            # What had a record was not made again, and what has one was ended.
            assert ended == done.get(run, ended) >= 1
            done[run] = ended
        most_left = max(most_left, len(list((tmp_path / "records").glob(".*.json.*"))))
    assert most_left <= KILLS * max(WORKERS, 1)  # at most one a process and kill
    for unfinished in (tmp_path / "records").glob(".*.json.*"):
        os.utime(unfinished, (0, 0))
    process = start(tmp_path, number, seconds)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert whole(tmp_path, planned) == planned
    assert all(lines(tmp_path, run, "ended") == times for run, times in done.items())
    records.remove_left_over(tmp_path / "records")
    names = {path.name for path in (tmp_path / "records").iterdir()}
    assert names == {*(f"{records.key(run)}.json" for run in planned), ".claims"}
    again = sum(lines(tmp_path, run, "begun") - 1 for run in planned)
    assert again <= KILLS * max(WORKERS, 1)  # a run that was killed midway begins once more
    with capsys.disabled():
        if "REPREG_KILLS" in os.environ:
            print(f"\n{KILLS} kills, {len(done)} of {number} runs done before the last; {again} begun once more, "
                  f"{most_left} unfinished files at most")  # fmt: skip


def test_two_sweeps_on_the_same_records_share_the_runs_out(tmp_path, capsys):
    number, seconds = (60, 0.2) if "REPREG_KILLS" in os.environ else (10, 0.1)
    planned = runs(tmp_path, number, seconds)
    pair = [start(tmp_path, number, seconds) for _ in range(2)]
    for process in pair:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert whole(tmp_path, planned) == planned
    assert [lines(tmp_path, run, "begun") for run in planned] == [1] * number
    shares = [(tmp_path / f"{run.number}.ended").read_text().strip() for run in planned]
    with capsys.disabled():
        if "REPREG_KILLS" in os.environ:
            print(f"\ntwo sweeps, runs by process: {sorted(shares.count(share) for share in set(shares))}")


def test_a_claim_ends_with_its_process(tmp_path):
    planned = runs(tmp_path, 1, 60.0)
    process = start(tmp_path, 1, 60.0, 0)
    while not lines(tmp_path, planned[0], "begun"):
        time.sleep(0.01)
    from benchmarks.sweeps.locks import claimed

    with claimed(tmp_path / "records", records.key(planned[0]), wait=False) as ours:
        assert not ours
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    with claimed(tmp_path / "records", records.key(planned[0]), wait=False) as ours:
        assert ours
