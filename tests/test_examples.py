"""The scripts of the documentation, run whole, and what their pages claim."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(path):
    lines = [line.strip("| ").split(" | ") for line in path.read_text().splitlines()]
    return {name: cells for name, *cells in lines[2:]}


def test_identical_twins(tmp_path):
    loaded("identical_twins").main(tmp_path, epochs=1)
    assert (tmp_path / "identical_twins.png").read_bytes().startswith(b"\x89PNG")
    # That of a single epoch, and the one that the page shows.
    for table in (rows(tmp_path / "identical_twins.md"), rows(DOCS / "images" / "identical_twins.md")):
        errors, changes, others, correlations, dead, ranks = zip(*table.values(), strict=True)
        assert list(table) == ["as trained", "whitened", "80% dead units", "correlation 0.9"]
        assert set(errors) == {errors[0]}
        assert max(map(float, changes)) < 1e-3
        assert set(others) == {"0"}
        assert correlations[2:] == ("0.00", "0.90")
        assert dead == ("0%", "0%", "80%", "0%")
        assert ranks[1] == "20.0"
