"""Both command lines with random arguments succeed, or exit with 2 and one line without writing anything."""

import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import EXPERIMENTS
from benchmarks.__main__ import main as benchmarks
from benchmarks.sweeps.workers import Workers
from keras_repreg.commands import main
from tests.commands.conftest import folder  # noqa: F401 - a fixture
from tests.stress.examples import examples

NUMBERS = ["0", "-1", "1.5", "nan", "inf", "1e999", "9" * 5000, "", " ", "x", "٣", "0x10", "1_0", "--", "\ud800"]
NAMES = ["", ",", "a,,b", " ", "x" * 5000, "\0", "../..", "\udcff", "new\nline", "*", "<b>", "-1"]
PATHS = ["", "\0", "nowhere/at/all", "/dev/null/x", ".", "..", "x" * 300, "\udcff.npz", "new\nline", "-", "~"]
TEXT = st.one_of(st.sampled_from([*NUMBERS, *NAMES, *PATHS]), st.text(max_size=20))

MEASURE = {
    "--layers": [*NAMES, "nowhere", "first,first,nowhere"],
    "--characteristics": [*NAMES, "beauty", "all,beauty"],
    "--units": [*NAMES, "rows"],
    "--report": [*PATHS],
    "--csv": [*PATHS],
    "--noise-variance": NUMBERS,
    "--information-unit": [*NAMES, "hartley"],
    "--samples": NUMBERS,
    "--batch-size": NUMBERS,
    "--divide-by": NUMBERS,
    "--memory-share": [*NUMBERS, "2"],
    "--class-names": ["", ",", "a,,b", " ", "a", "a,b"],
    "--data": [*PATHS, "mnist.csv"],
}


def exit_code(command, arguments, capsys, name):
    """Return the exit code, after checking that an exit with 2 prints one line."""
    capsys.readouterr()
    try:
        code = command(arguments)
    except SystemExit as end:
        code = end.code
    err = capsys.readouterr().err
    assert code in (0, 2), (arguments, code, err)
    if code == 2:
        assert err.startswith(name), (arguments, err)
        assert err.count("\n") == 1, (arguments, err)
        assert err.strip("\n").isprintable()
        assert "Traceback" not in err
    return code


def modification_times(path):
    return {str(p): p.stat().st_mtime_ns for p in path.rglob("*")}


@pytest.mark.slow
@examples(80)
@given(data=st.data())
def test_measure_rejects_invalid_arguments(data, folder, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    before = modification_times(folder)
    arguments = ["measure", str(folder / "model.keras"), "--data", str(folder / "data.npz")]
    option = data.draw(st.sampled_from(sorted(MEASURE)))
    value = data.draw(st.sampled_from(MEASURE[option]))
    code = exit_code(main, [*arguments, f"{option}={value}"], capsys, "keras-repreg")
    if code == 0:  # the only valid combination
        assert value in ("x" * 300, "\udcff.npz", "new\nline", "-", "~", "٣", "1_0", "1.5"), (option, value)
    for path in tmp_path.iterdir():
        assert code == 0, path
        path.unlink()
    assert modification_times(folder) == before


@examples(120)
@given(words=st.lists(st.one_of(TEXT, st.sampled_from([*MEASURE, "measure", "--overwrite"])), max_size=6))
def test_random_words_are_rejected_or_run(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = modification_times(tmp_path)
    code = exit_code(main, words, capsys, "keras-repreg")
    assert code == 2 or {"-h", "--help", "--version"} & {*words}
    assert modification_times(tmp_path) == before


class TrainingStarted(Exception):
    """Raised where training would start."""


@pytest.fixture
def no_training(monkeypatch):
    def begin(*args, **kwargs):
        raise TrainingStarted

    monkeypatch.setattr(Workers, "ready", begin)
    for name in ("speed", "table6", "canary", "schedule"):
        monkeypatch.setitem(EXPERIMENTS, name, SimpleNamespace(run=begin))


OPTIONS = [
    "--trials",
    "--epochs",
    "--jobs",
    "--backend",
    "--address",
    "--quiet",
    "--out",
    "--smoke",
    "--data",
    "--tries",
]


@examples(200)
@given(
    name=st.sampled_from([*EXPERIMENTS, "all", "tables", ""]),
    words=st.lists(st.one_of(TEXT, st.sampled_from([*OPTIONS, "3", "loky", "slurm", "tcp://127.0.0.1:1"])), max_size=5),
)
def test_benchmarks_reject_or_run_random_words(name, words, tmp_path, monkeypatch, capsys, no_training):
    monkeypatch.chdir(tmp_path)
    # No cluster is contacted; another test does so.
    words = [word for word in words if word not in ("dask", "ray")]
    before = modification_times(tmp_path)
    try:
        code = exit_code(benchmarks, [name, *words], capsys, "python -m benchmarks")
    except TrainingStarted:
        return
    if code == 2:
        assert modification_times(tmp_path) == before
    else:
        assert {"-h", "--help"} & {*words} or name == "status"


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("option", ["--trials", "--epochs", "--jobs"])
def test_benchmarks_reject_invalid_numbers(option, value, tmp_path, monkeypatch, capsys, no_training):
    monkeypatch.chdir(tmp_path)
    if value == "٣":
        pytest.skip("parsed as an integer")
    assert exit_code(benchmarks, ["table2", f"{option}={value}"], capsys, "python -m benchmarks") == 2
    assert not os.listdir(tmp_path)


def test_unwritable_folder_fails_before_training(tmp_path, monkeypatch, capsys, no_training):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/below", "", "\0"):
        assert exit_code(benchmarks, ["table2", f"--out={out}"], capsys, "python -m benchmarks") == 2
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path) == ["file"]
