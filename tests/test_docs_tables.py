"""Pages show the current content of the files that they include."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    specification = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# No marks\n")
    (tmp_path / "table.md").write_text("| a |\n| --- |\n| 1 |\n")
    (tmp_path / "code.py").write_text("first = 1\nif first:\n    # [start:inner]\n    second = 2\n    # [end:inner]\n")
    return tmp_path


BEGIN, END = "<!-- begin: table.md -->\n", "<!-- end: table.md -->\n"
TABLE = f"{BEGIN}\n| a |\n| --- |\n| 1 |\n\n{END}"


def test_pages_are_up_to_date(tables, capsys):
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (BEGIN + END, TABLE),
        (f"{BEGIN}| old |\n{END}", TABLE),
        (TABLE, TABLE),
        (f"before\n\n{BEGIN}{END}after\n", f"before\n\n{TABLE}after\n"),
        (
            "<!-- begin: code.py:inner -->\n<!-- end: code.py:inner -->\n",
            "<!-- begin: code.py:inner -->\n\n```py\nsecond = 2\n```\n\n<!-- end: code.py:inner -->\n",
        ),
        # A mark inside a code block is only an example.
        (f"```text\n{BEGIN}{END}```\n", f"```text\n{BEGIN}{END}```\n"),
        (f"````text\n```\n{END}````\n", f"````text\n```\n{END}````\n"),
        (f"```text\n```\n{TABLE}", f"```text\n```\n{TABLE}"),
    ],
)
def test_content_between_marks_matches_the_file(tables, root, page, expected):
    assert tables.rewrite(page, root) == expected


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- begin: none.md -->\n<!-- end: none.md -->\n", "Expected a file of the repository. Received: none.md"),
        ("<!-- begin: code.py:other -->\n<!-- end: code.py:other -->\n", r"Expected a part between \[start:other\]"),
        (BEGIN, "Expected <!-- end: table.md --> before the end of the page"),
        (BEGIN + BEGIN, "Expected <!-- end: table.md -->. Received: <!-- begin: table.md --> in line 2"),
        (
            BEGIN + "<!-- end: code.py -->\n",
            "Expected <!-- end: table.md -->. Received: <!-- end: code.py --> in line 2",
        ),
        (END, "Expected <!-- begin: ... -->. Received: <!-- end: table.md --> in line 1"),
    ],
)
def test_invalid_marks_raise(tables, root, page, message, capsys):
    with pytest.raises(ValueError, match=message):
        tables.rewrite(page, root)
    (root / "docs" / "page.md").write_text(page)
    assert tables.main([], root) == 2
    assert capsys.readouterr().err.startswith("docs/page.md: Expected ")


def test_pages_are_checked_and_rewritten(tables, root, capsys):
    page = root / "docs" / "page.md"
    page.write_text(TABLE.replace("1", "2"))
    assert tables.main(["--check"], root) == 1
    assert capsys.readouterr().out == "docs/page.md is stale: run python docs/tables.py\n"
    assert page.read_text() == TABLE.replace("1", "2")
    assert tables.main([], root) == 0
    assert page.read_text() == TABLE
    assert tables.main(["--check"], root) == 0
