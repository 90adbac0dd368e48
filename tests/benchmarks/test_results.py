"""The committed results are complete, and the documentation shows their numbers."""

import runpy
from pathlib import Path

import pytest

from benchmarks.experiments import table6
from benchmarks.experiments.speed import epochs, kernels, processes, steps
from benchmarks.sweeps import search
from benchmarks.tables import published
from benchmarks.tables.aggregate import as_csv, read_csv
from benchmarks.tables.table import as_markdown, cell
from keras_repreg.regularizer_set import REGULARIZERS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def rows(name):
    return [
        {key: value if key == "regularizer" else float(value) for key, value in row.items()}
        for row in read_csv(RESULTS / name)
    ]


def test_table6_has_every_regularizer_over_several_trials_with_the_kept_weights():
    table = rows("table6.csv")
    assert [row["regularizer"] for row in table] == list(REGULARIZERS)
    kept = search.kept_weights()
    for row in table:
        assert row["trials"] >= 3
        assert row["weight"] == kept.get(row["regularizer"], 0.0)


@pytest.mark.parametrize("name", ["table6", "table6_by_validation"])
def test_markdown_tables_match_the_csv_files(name):
    expected = as_markdown(table6.table_of(rows(f"{name}.csv")))
    assert (RESULTS / f"{name}.md").read_text() == expected


@pytest.mark.parametrize(
    "name", ["table2", "table3", "figure1", "figure4", "figure4_correlations", "figure4_intervals"]
)
def test_other_results_have_every_row_and_their_markdown_shows_the_same_numbers(name):
    """The numbers agree in order, to the digits shown."""
    found = read_csv(RESULTS / f"{name}.csv")
    lines = (RESULTS / f"{name}.md").read_text().splitlines()[2:]
    label = next(iter(found[0]))
    assert [line.split(" | ")[0].strip("| ") for line in lines[: len(found)]] == [row[label] for row in found]
    columns = [column for column in found[0] if column.endswith("_mean")]
    for row, line in zip(found, lines, strict=False):
        cells = [text.split()[0].strip("*") for text in line.strip("| ").split(" | ")[1:]]
        assert cells == [cell(float(row[column])) for column in columns]
        assert int(row["trials"]) >= (1 if name == "figure1" else 3)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_json_matches_the_csv_and_states_its_environment(path):
    result = published.read(path)
    lines = path.with_suffix(".csv").read_text().splitlines(keepends=True)
    assert as_csv(result.table.rows) == "".join(line for line in lines if not line.startswith("#"))
    markdown = {as_markdown(result.table, deviations=deviations) for deviations in (False, True)}
    assert path.with_suffix(".md").read_text() in markdown
    for environment in result.environments:
        assert environment["commit"]
        assert environment["versions"]["keras"]
        assert "cores" in environment["machine"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("speed_steps", steps),
        ("speed_kernels", kernels),
        ("speed_epochs", epochs),
        ("speed_processes", processes),
        ("h100/speed_steps", steps),
        ("h100/speed_kernels", kernels),
    ],
)
def test_speed_markdown_matches_the_csv_files(name, part):
    found = [{key: number(value) for key, value in row.items()} for row in read_csv(RESULTS / f"{name}.csv")]
    table, setting = (RESULTS / f"{name}.md").read_text().split("\n\n")
    assert f"{table}\n" == part.as_markdown(found)
    assert "cores" in setting
    if name == "speed_kernels":
        sizes = {(row["N"], row["M"], row["K"]) for row in found if row["penalty"] == "cw-CR"}
        assert sizes == set(kernels.GRID)
        assert {row["penalty"] for row in found} == set(kernels.PENALTIES)
    if name == "speed_steps":
        assert {(row["network"], row["regularizer"]) for row in found} == {
            (network, regularizer) for network in steps.NETWORKS for regularizer in ("Baseline", *steps.REGULARIZERS)
        }


def number(text):
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


def test_table3_is_as_theorem_2_has_it():
    rows = {row["q"]: row for row in read_csv(RESULTS / "table3.csv")}
    for column in ("error", "sparsity", "dead_units"):
        assert rows["Random positive diagonal"][f"{column}_mean"] == rows["Identity"][f"{column}_mean"]
    # "Considerably reduced" means threefold, as in the paper.
    assert float(rows["Whitening"]["correlation_mean"]) <= float(rows["Identity"]["correlation_mean"]) / 3


def test_the_readme_shows_rows_of_the_table():
    brief = runpy.run_path(str(ROOT / "docs" / "front_page.py"))["brief"]
    expected = brief((RESULTS / "table6_by_validation.md").read_text())
    assert expected.count("**") == 8
    assert (RESULTS / "table6_brief.md").read_text() == expected
    assert expected in (ROOT / "README.md").read_text()


def test_weights_markdown_matches_the_csv_file():
    expected = search.as_markdown(read_csv(RESULTS / "table6_weights.csv"))
    assert (RESULTS / "table6_weights.md").read_text() == expected
