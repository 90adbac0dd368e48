"""Terminal output: table widths, escaped names, notes, progress, JSON."""

import html.parser
import io
import json
import os
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg.commands.layout import table_lines
from keras_repreg.commands.progress import Progress, left
from keras_repreg.commands.text import columns, printable, shortened
from tests.commands.cases import arrays, run

HOSTILE = [
    "\x1b[2J\x1b[31mred\a", "zero\0\x08\x08", "two\nlines\t", "\u202eright to left\x9bC1", "<b>alert(1)<b>",
    '" onload="x&amp;𝒵é',
]  # fmt: skip


def test_printable_text_has_no_control_characters():
    for name in HOSTILE:
        assert printable(name).isprintable()
    assert printable("plain ünïcode") == "plain ünïcode"
    assert printable("\udcff") == r"\udcff"


@pytest.mark.parametrize("width", [4, 11, 12, 30])
def test_names_are_shortened_in_the_middle(width):
    for name in ("short", "block_3_branch_1_convolution", "層" * 40, "é" * 40):
        found = shortened(name, width)
        assert columns(found) <= width
        assert found == name or (found[0] == name[0] and (width < 5 or found[-1] == name[-1]))


@pytest.mark.parametrize("width", [20, 40, 80, 129, 200])
@pytest.mark.parametrize("longest", [4, 60, 300])
def test_tables_fit(width, longest):
    header = ["layer", "amplitude", "covariance", "within_class_variance", "between_class_variance", "stable_rank"]
    rows = [["a" * (longest - 1) + str(i), *(["0.1234"] * 5)] for i in range(3)]
    lines = table_lines(header, rows, width)
    table = [line for line in lines if not line.startswith("not shown")]
    assert all(columns(line) <= max(width, 23) for line in table)
    assert len({line.split()[0] for line in table[-3:]}) == 3
    shown = " ".join(lines).replace("-\n", "")
    for name in header[1:]:
        words = name.split("_")
        assert name in shown or all(word in shown for word in words), name
    left_out = [line for line in lines if line.startswith("not shown")]
    assert len(left_out) == (table[-1].count("0.1234") < 5)
    assert table[-1].count("0.1234") >= 1


def test_wide_table_rows_are_on_one_line():
    header, rows = ["layer", "stable_rank"], [["x" * 100, "1"], ["y", "22"]]
    assert table_lines(header, rows, None) == [
        "layer" + " " * 97 + "stable_rank", "x" * 100 + " " * 12 + "1", "y" + " " * 110 + "22",
    ]  # fmt: skip


def test_layout_follows_the_terminal(folder, capsys, monkeypatch):
    arguments = (folder / "model.keras", "--data", folder / "data.npz")
    monkeypatch.setenv("COLUMNS", "60")
    assert run(*arguments) == 0
    narrow = capsys.readouterr().out.splitlines()[1:]
    assert max(map(len, narrow[:-1])) <= 60
    assert (
        narrow[-1]
        == "not shown: dead_units, stable_rank, within_class_variance, between_class_variance (--wide shows all)"
    )
    assert run(*arguments, "--wide") == 0
    wide = capsys.readouterr().out
    monkeypatch.delenv("COLUMNS")
    assert run(*arguments) == 0  # output to a pipe
    assert capsys.readouterr().out == wide


def test_json(folder, capsys):
    assert run(folder / "model.keras", "--data", folder / "data.npz", "--json", "--characteristics", "all") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] == 60
    assert list(found["layers"]) == ["first", "<second>"]
    assert len(found["layers"]["first"]["spectrum"]) == 8


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model whose layer names contain control sequences and markup."""
    path = tmp_path_factory.mktemp("hostile") / "model\x1b[31m.keras"
    model = keras.Sequential([keras.Input((5,)), *(layers.Dense(3) for _ in HOSTILE), layers.Dense(2)])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    for layer, name in zip(config["config"]["layers"][1:], HOSTILE, strict=False):
        layer["config"]["name"] = name
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"config.json": json.dumps(config)}).items():
            archive.writestr(name, content)
    np.savez(path.parent / "data.npz", x=arrays()[0])
    return path


class Strict(html.parser.HTMLParser):
    """Collects ids, links and unclosed tags of a page, and rejects forbidden content."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.open, self.policy = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        assert len(values) == len(attrs)
        assert tag not in ("script", "iframe", "object", "link", "base", "form")
        assert not [name for name in values if name.startswith("on") or name == "style"]
        assert tag != "img" or values["alt"]
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_hostile_names_have_no_effect(hostile, tmp_path, capsys):
    path, table = tmp_path / "report.html", tmp_path / "table.csv"
    data = hostile.parent / "data.npz"
    assert run(hostile, "--data", data, "--report", path, "--csv", table) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in (out, path.read_text(encoding="utf-8"), table.read_text(encoding="utf-8")):
        assert all(line.isprintable() for line in text.split("\n") if not line.startswith(" ")), text[:100]
    assert len(out.splitlines()) == 2 + len(HOSTILE) + 2
    text = path.read_text(encoding="utf-8")
    page = Strict(text)
    assert page.open == []
    assert page.ids == [f"layer-{i + 1}" for i in range(len(HOSTILE))]
    assert set(page.links) == {f"#{name}" for name in page.ids}
    assert "<b>" not in text
    assert r"Inside model\x1b[31m.keras" in text
    assert run(hostile, "--data", data, "--layers", "\x1b[31mno") == 2
    assert capsys.readouterr().err.strip().isprintable()
    assert run(hostile, "--data", data, "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["layers"]) == HOSTILE


def test_page_allows_no_external_content(folder, tmp_path):
    """The page's style matches the hash in its content security policy."""
    import base64
    import hashlib

    path = tmp_path / "report.html"
    assert run(folder / "model.keras", "--data", folder / "data.npz", "--report", path) == 0
    text = path.read_text(encoding="utf-8")
    policy = Strict(text).policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.endswith(f"style-src 'sha256-{digest}'")
    assert "unsafe" not in policy
    assert "<title>Inside model.keras</title>" in text


def test_broken_pipe_ends_silently(folder, tmp_path):
    """The command ends silently and still writes its files."""
    command = [sys.executable, "-m", "keras_repreg", "measure", folder / "model.keras", "--data", folder / "data.npz"]
    reading, writing = os.pipe()
    os.close(reading)
    path = tmp_path / "table.csv"
    done = subprocess.run(
        [*command, "--csv", path], stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    assert path.read_text().startswith("layer,amplitude")


class Screen(io.StringIO):
    """A stand-in for a terminal."""

    def isatty(self):
        return True


def test_progress_estimates_the_remaining_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(quiet=False)
    progress.expect(batch=10, layer=2)
    for _ in range(2):
        now[0] += 0.9
        progress.step("batch", "batch")
    assert screen.getvalue() == ""  # within two seconds
    now[0] += 3.0
    progress.step("batch", "batch\x1b")
    assert screen.getvalue() == "\r\x1b[Kbatch\\x1b, 11 s left"  # 7 batches of 1.6 s
    now[0] += 5.0
    progress.step("layer", "a layer")
    assert progress.seconds_left == pytest.approx(7 * 1.6 + 5)
    progress.end()
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("stream", [Screen, io.StringIO])
def test_progress_can_be_disabled(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    progress = Progress(quiet=stream is Screen)
    progress.say("loading")
    progress.expect(batch=1)
    progress.step("batch", "x")
    progress.end()
    assert sys.stderr.getvalue() == ""


def test_times_in_words():
    assert [left(seconds) for seconds in (0, 89, 100, 5300, 7200)] == ["0 s", "89 s", "2 min", "88 min", "2.0 h"]
