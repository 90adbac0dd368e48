"""Every Python block of the README and the documentation runs, and every public name is documented."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

import keras_repreg
from benchmarks.__main__ import EXPERIMENTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A code block, and its expected output if a text block follows.
BLOCKS = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)

matplotlib.use("Agg")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page.name in ("README.md", "index.md") else pytest.mark.slow)
        for page in PAGES
        if BLOCKS.search(page.read_text())
    ],
    ids=lambda page: page.name,
)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block, expected in BLOCKS.findall(page.read_text()):
        capsys.readouterr()
        exec(compile(block, page.name, "exec"), names)
        if expected:
            assert capsys.readouterr().out == expected


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_first_pages_need_only_what_they_install(name):
    text = (ROOT / name).read_text()
    imported = re.findall(r"^(?:import|from) (\w+)", "".join(block for block, _ in BLOCKS.findall(text)), re.MULTILINE)
    (install,) = re.findall(r"^pip install '\.\[tensorflow-cpu,plots\]'(.*)$", text, re.MULTILINE)
    further = {"sklearn": "scikit-learn"}
    for module in {*imported} - {"keras", "keras_repreg", "matplotlib", "numpy"}:
        assert further[module] in install.split(), module


def test_every_python_block_is_tested():
    for page in PAGES:
        text = page.read_text()
        # Other blocks are files of the repository, which have their own tests.
        included = re.findall(r"^<!-- begin: \S+\.py\S* -->\n\n```py\n", text, re.MULTILINE)
        marks = re.findall(r"^```[ {.]*py.*$", text, re.MULTILINE)
        assert set(marks) <= {"```python", "```py"}, page.name
        assert marks.count("```py") == len(included), page.name


def documented():
    """Return the entries of the reference, by path."""
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("reference-*.md")))
    paths = re.findall(r"^::: (\S+)$", pages, re.MULTILINE)
    assert len(paths) == len(set(paths))
    split = {path: path.rpartition(".") for path in paths}
    return {path: getattr(importlib.import_module(module), name) for path, (module, _, name) in split.items()}


def public():
    """Return the names that the modules of the package export, by path."""
    modules = [keras_repreg]
    for module in pkgutil.walk_packages(keras_repreg.__path__, "keras_repreg."):
        if not module.name.endswith("__main__"):
            modules.append(importlib.import_module(module.name))
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in modules
        for name in getattr(module, "__all__", ())
        if not inspect.ismodule(getattr(module, name))
    }


@pytest.mark.parametrize("path", sorted(public()))
def test_public_names_are_in_the_reference(path):
    reference, name = documented(), path.rpartition(".")[2]
    elsewhere = [other for other, value in reference.items() if value is public()[path]]
    # Each layer is documented once, even if it can be imported from several modules.
    assert path in reference or any(other.endswith(f".{name}") for other in elsewhere)


def test_reference_matches_the_docstrings():
    command = [sys.executable, str(ROOT / "docs" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_module_defines_all():
    for name in keras_repreg.__all__:
        value = getattr(keras_repreg, name)
        if inspect.ismodule(value):
            assert value.__all__, name


def test_no_page_is_a_bare_include_mark():
    for page in PAGES:
        assert "--8<--" not in page.read_text(), page.name


def test_every_example_is_shown_on_a_page():
    pages = "\n".join(page.read_text() for page in PAGES)
    for path in sorted((ROOT / "docs" / "examples").glob("*.py")):
        assert f"<!-- begin: docs/examples/{path.name} -->" in pages, path.name


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    for page in PAGES[1:]:
        assert f": {page.name}\n" in navigation


def test_no_page_has_a_placeholder():
    for page in PAGES:
        assert not re.search(r"@[A-Z]+@", page.read_text()), page.name


def test_links_between_pages_resolve():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


# Rows of the page about the paper: an item, and where it is computed, tested and reproduced.
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "paper.md").read_text().partition("\n## Where each is computed\n")[2].splitlines()
    if line.startswith("|") and not line.startswith(("| ---", "| in the paper"))
]


def items(name):
    """Return the items in a text, such as `Eq. 3` and `Eq. 4` for "Theorem 2, eq. 3, 4"."""
    for kind, numbers in re.findall(r"\b(eq\.|table|figure|theorem|appendix) ((?:d\.)?\d+(?:, \d+)*)", name.lower()):
        yield from (f"{kind} {number}" for number in numbers.split(", "))


def test_every_item_of_the_paper_has_a_row():
    expected = {f"eq. {i}" for i in range(1, 14)} | {f"table {i}" for i in range(1, 10)}
    expected |= {f"figure {i}" for i in range(1, 5)} | {"theorem 1", "theorem 2"}
    expected |= {f"appendix d.{i}" for i in range(1, 5)}
    found = {item for name, *_ in ROWS for item in items(name)}
    assert expected <= found, sorted(expected - found)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_names_on_the_paper_page_exist(row):
    name, computed, tested, *command = row
    assert computed.startswith(("`", "no module: ")), name
    assert tested.startswith("`") or tested == "the same", name
    for cell, folders in ((computed, ("", "keras_repreg", "benchmarks")), (tested, ("tests",))):
        for reference in re.findall(r"`([^`]+)`", cell):
            path, _, symbol = reference.partition("::")
            files = [ROOT / folder / path for folder in folders if (ROOT / folder / path).is_file()]
            assert len(files) == 1, reference
            if symbol:
                assert re.search(rf"^(def|class) {symbol}\b", files[0].read_text(), re.MULTILINE), reference
    for reference in re.findall(r"`([^`]+)`", " ".join(command)):
        assert reference.startswith("python -m benchmarks "), reference
        assert reference.split()[3] in EXPERIMENTS, reference
