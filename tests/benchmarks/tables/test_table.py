"""Tables: cells, marks for the best, rank correlation, text, Markdown and HTML."""

import math

import pytest
from scipy.stats import spearmanr

from benchmarks.tables.aggregate import as_csv, read_csv
from benchmarks.tables.page import as_html
from benchmarks.tables.pictures import against_paper
from benchmarks.tables.published import Published
from benchmarks.tables.table import Table, as_markdown, as_text, cell
from benchmarks.tables.ties import best_and_tied

NAMES = ("Baseline", "A", "B", "C", "D")
MEANS = (3.0, 2.0, 2.15, 2.5, math.nan)
PRINTED = (2.8, 2.1, 2.2, 2.0, 1.0)


@pytest.fixture
def table():
    rows = [
        {"regularizer": name, "weight": weight, "trials": 2, "error_mean": mean, "error_std": 0.1}
        for name, weight, mean in zip(NAMES, (0.0, 0.1, 1.0, 10.0, 0.001), MEANS, strict=True)
    ]
    paper = {name: {"error": value} for name, value in zip(NAMES, PRINTED, strict=True)}
    return Table(rows, ("error",), paper, shown=("weight",), competition=True)


def test_cells():
    assert cell(2.854) == "2.85"
    assert cell(226.24, 3.456) == "226.2±3.5"
    assert cell(float("nan"), 1.0) == "–"


def test_best_and_tied_rows_are_marked(table):
    assert [table.standing(row, "error") for row in table.rows] == ["", "best", "tied", "", ""]


def test_best_improvement_is_relative_to_the_baseline(table):
    assert dict(table.feet())["Best improvement"] == {"error": "1.00 (1.80)"}


def test_rank_correlation_uses_only_complete_pairs(table):
    five = [{**row, "error_mean": 1.0 if math.isnan(row["error_mean"]) else row["error_mean"]} for row in table.rows]
    whole = Table(five, ("error",), table.paper)
    assert whole.spearman()["error"] == pytest.approx(spearmanr((3.0, 2.0, 2.15, 2.5, 1.0), PRINTED).statistic)
    assert math.isnan(table.spearman()["error"])  # four pairs are too few


def test_text_and_markdown(table):
    lines = as_text(table).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "2.00±0.10* | 2.10" in lines[3]
    assert lines[3].startswith("A")
    assert " 0.1 " in lines[3]
    assert "– | 1.00" in lines[6]
    assert as_markdown(table, deviations=True).splitlines()[2:6] == [
        "| Baseline |  | 3.00±0.10 (2.80) |",
        "| A | 0.1 | **2.00±0.10** (2.10) |",
        r"| B | 1 | 2.15±0.10\* (2.20) |",
        "| C | 10 | 2.50±0.10 (2.00) |",
    ]


def test_table_without_paper_numbers_shows_measured_values():
    table = Table([{"row": "<a>", "trials": 1, "x_mean": 1.0, "x_std": 0.0}], ("x",), label="row")
    assert "|" not in as_text(table)
    assert as_markdown(table).splitlines()[-1] == "| <a> | 1.00 |"
    page = as_html(Published("<b>", "c", "s", table, []), b"png")
    assert "<a>" not in page
    assert "&lt;a&gt;" in page
    assert "cG5n" in page


def test_the_picture_is_a_png(table):
    assert against_paper(table).startswith(b"\x89PNG")


def test_ties_are_ranges_overlapping_with_the_best():
    values = {"a": (2.0, 0.125), "b": (2.375, 0.25), "c": (2.5, 0.25), "d": (2.0, 5.0)}
    values |= {"e": (math.nan, 0.0), "f": (math.inf, 0.0)}
    assert best_and_tied(values) == ("a", {"b", "d"})
    assert best_and_tied({"e": (math.nan, 0.0)}) == (None, set())
    assert best_and_tied({}) == (None, set())


def test_csv_is_read_with_and_without_a_comment(tmp_path):
    rows = [{"name": "a", "error": 1.25}, {"name": "b", "error": 1 / 3}]
    for comment in ("", "commit abc; configuration def"):
        (tmp_path / "rows.csv").write_text(as_csv(rows, comment))
        assert read_csv(tmp_path / "rows.csv") == [{"name": "a", "error": "1.25"}, {"name": "b", "error": "0.333333"}]
    assert (tmp_path / "rows.csv").read_text().splitlines()[:2] == [f"# {comment}", "name,error"]
