"""If the disk is full at any moment, old results are unchanged and an error is raised."""

import errno
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.experiments import table2
from benchmarks.sweeps import records
from benchmarks.tables.files import write_keeping_old
from keras_repreg import files
from keras_repreg.characteristics import CharacteristicsTable
from tests.stress.test_kills import ROOT
from tests.stress.tiny import runs

CALLS = ("fsync", "chmod", "replace", "link")
WAYS = ("atomic", "new", "keeping", "csv", "record")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", CALLS)
def test_full_disk_keeps_old_files_and_raises(call, way, tmp_path):
    if (call == "link" and way not in ("new", "keeping")) or (call, way) == ("replace", "new"):
        pytest.skip("not called in this case")
    folder = tmp_path
    path, run = folder / "result.csv", runs(folder, 1, 0)[0]
    table = CharacteristicsTable({"z": {"sparsity": 0.5}})
    records.write(folder, run, records.FINISHED, result={"loss": 0.25})
    path.write_text("old")
    writing = {
        "atomic": lambda: files.write_atomically(path, "new"),
        "new": lambda: files.write_atomically(folder / "other", "new", overwrite=False),
        "keeping": lambda: write_keeping_old(path, "new"),
        "csv": lambda: table.to_csv(path, overwrite=True),
        "record": lambda: records.write(folder, run, records.FINISHED, result={"loss": 0.5}),
    }

    def full(*args, **kwargs):
        raise FULL

    before = sorted(os.listdir(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            writing[way]()
    assert path.read_text() == "old"
    assert sorted(os.listdir(folder)) == before
    assert records.read(folder, run)["result"] == {"loss": 0.25}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="requires file size limits")
def test_file_size_limit_keeps_old_files_and_raises(tmp_path):
    """The operating system enforces a limit of some kilobytes."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); "
    code = "import sys; from tests.stress.sweeping import main; main(sys.argv[1], int(sys.argv[2]), 0.0, 1)"
    arguments = [str(tmp_path), "3"]
    whole = subprocess.run([sys.executable, "-c", code, str(tmp_path), "1"], cwd=ROOT, check=True)
    assert whole.returncode == 0
    (path,) = (tmp_path / "records").glob("*.json")
    before = path.read_bytes()
    assert len(before) > 8192
    found = subprocess.run([sys.executable, "-c", limit + code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert "File too large" in line
    assert path.read_bytes() == before
    assert sorted(p.name for p in (tmp_path / "records").iterdir()) == [".claims", path.name]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 8192


def test_a_full_disk_ends_an_experiment_in_one_line(tmp_path, monkeypatch, capsys):
    def sweep(runs, *args, **kwargs):
        raise FULL

    monkeypatch.setattr("benchmarks.command.sweep", sweep)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # nothing is trained
    assert table2
    assert main(["table2", "--smoke", "--quiet", f"--out={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "No space left" in err


def test_old_results_survive_a_write_that_fails_midway(tmp_path, monkeypatch):
    path = tmp_path / "result"
    files.write_atomically(path, "old")
    written = np.zeros(1)

    class Short:
        """A file on a disk that is full after some bytes."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, data):
            self.file.write(bytes(data)[:2])
            written[0] += 1
            raise FULL

    fdopen = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *args, **kwargs: Short(fdopen(*args, **kwargs)))
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, "new content")
    assert written[0] == 1
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result"]
