"""Every Python block of the README and the documentation runs, and every public name is documented."""

import re
from pathlib import Path

import matplotlib
import pytest

import keras_repreg
from keras_repreg import information, ion, plots, tuning

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = {"callbacks", "characteristics", "information", "ion", "layers", "plots", "tuning"}
# A block, and what it prints where a block of text follows.
BLOCKS = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)

matplotlib.use("Agg")


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCKS.search(page.read_text())], ids=lambda p: p.name)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block, expected in BLOCKS.findall(page.read_text()):
        capsys.readouterr()
        exec(compile(block, page.name, "exec"), names)
        if expected:
            assert capsys.readouterr().out == expected


@pytest.mark.parametrize("name", sorted(set(keras_repreg.__all__) - MODULES))
def test_public_names_are_in_the_reference(name):
    assert re.search(rf"^::: keras_repreg\.\w+\.{name}$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)


def test_ion_names_are_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text()
    for name in set(ion.__all__) - {"find_site", "whitening_matrix"}:
        assert f"::: keras_repreg.ion.{name}\n" in text


@pytest.mark.parametrize("module", [information, plots, tuning], ids=lambda module: module.__name__)
def test_names_of_modules_are_in_the_reference(module):
    text = (ROOT / "docs" / "api.md").read_text()
    for name in module.__all__:
        assert f"::: {module.__name__}.{name}\n" in text


def test_every_included_file_is_included():
    """A formatter that takes the mark for Python would leave a line of text instead."""
    for page in PAGES:
        for line in page.read_text().splitlines():
            if re.match(r"\W*8 ?<", line):
                assert re.fullmatch(r'--8<-- "[^"]+"', line), f"{page.name}: {line}"
                assert (ROOT / line.split('"')[1]).is_file()


def test_no_page_has_a_gap_left_to_fill():
    for page in PAGES:
        assert not re.search(r"@[A-Z]+@", page.read_text()), page.name


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)
