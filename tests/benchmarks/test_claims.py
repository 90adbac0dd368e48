"""Claims of the paper: verdicts on constructed numbers, calibration under the nulls, and the report."""

import importlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import claims, paper
from benchmarks.__main__ import main
from benchmarks.claims import CLAIMS, correlations, evidence, judging, page, yardstick
from benchmarks.claims import nulls as null_module
from benchmarks.claims.claim import Claim
from benchmarks.claims.identities import IDENTITIES
from benchmarks.claims.nulls import IDENTICAL, PERMUTED_COLUMNS, PERMUTED_ROWS, related
from benchmarks.claims.verdicts import Verdict
from benchmarks.experiments.registry import PAPER
from benchmarks.tables import published
from benchmarks.tables.aggregate import read_csv
from benchmarks.tables.published import Published
from benchmarks.tables.table import Table
from keras_repreg.regularizer_set import REGULARIZERS
from tests.benchmarks.claim_cases import CASES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MEASURED = [one for one in CLAIMS if one.tables]


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{i}-{CASES[i][1]}-{CASES[i][3].replace(' ', '-')}")
def test_checks_give_the_stated_verdicts(case):
    module, name, given, expected = CASES[case]
    verdict, text = getattr(module, name)(*given)
    assert verdict == expected, text


def test_every_check_has_passing_and_failing_cases():
    found = {}
    for module, name, _, expected in CASES:
        found.setdefault((module.__name__, name), set()).add(expected)
    for one in MEASURED:
        function = getattr(one.check, "func", one.check)
        verdicts = found[function.__module__, function.__name__]
        assert {Verdict.HOLDS, Verdict.FAILS} <= verdicts, one.name
        if "in part" in one.documentation:
            assert Verdict.PARTLY in verdicts, one.name


@pytest.mark.parametrize("one", [one for one in CLAIMS if not one.tables], ids=lambda one: one.name)
def test_a_claim_without_tables_is_decided_by_a_computation(one, monkeypatch):
    expected = {
        "scaling_keeps_the_class": Verdict.PARTLY,
        "only_permuted_diagonals": Verdict.FAILS,
        "affine_maps_keep_the_rank": Verdict.PARTLY,
        "never_aligned": Verdict.FAILS,
        "scalar_suffices": Verdict.HOLDS,
    }
    assert one.null is None
    assert one.check()[0] == expected[one.name]
    # Other results would give another verdict.
    others = {
        "scaling_keeps_the_class": ("scaled_predictions", ((1.0, 1.0), Verdict.HOLDS), ((0.9, 0.9), Verdict.FAILS)),
        "only_permuted_diagonals": ("nonnegative_layer", (0.1, Verdict.HOLDS), (1e-6, Verdict.FAILS)),
        "affine_maps_keep_the_rank": (
            "affine_map_of_ranks",
            (([5, 5], [2.0, 2.0]), Verdict.HOLDS),
            (([5, 4], [2.0, 2.0]), Verdict.FAILS),
        ),
        "never_aligned": ("aligned_dead_units", ((30, 29), Verdict.HOLDS), ((30, 30), Verdict.FAILS)),
        "scalar_suffices": ("scalar_code", ((1.0, 1.0), Verdict.HOLDS), ((0.9, 1.0), Verdict.FAILS)),
    }
    name, *results = others[one.name]
    for result, verdict in results:
        monkeypatch.setattr(importlib.import_module(one.check.__module__), name, lambda result=result: result)
        assert one.check()[0] == verdict


@pytest.mark.parametrize(
    ("one", "strong", "excluded"),
    [
        ((0.7, 0.01, 0.9), 1, False),
        ((0.69, 0.01, 0.9), 0, False),
        ((0.7, 0.0, 0.9), 0, False),
        ((-0.7, -0.9, -0.01), -1, False),
        ((-0.69, -0.9, -0.01), 0, False),
        ((-0.7, -0.9, 0.0), 0, False),
        ((0.1, -0.69, 0.69), 0, True),
        ((0.1, -0.7, 0.69), 0, False),
        ((0.1, -0.69, 0.7), 0, False),
    ],
)
def test_comparison_intervals_are_computed_as_documented(one, strong, excluded):
    assert yardstick.is_strong(one) == (strong != 0)
    assert yardstick.is_strong(one, sign=1) == (strong == 1)
    assert yardstick.is_strong(one, sign=-1) == (strong == -1)
    assert yardstick.is_excluded(one) == excluded


def test_relations_match_a_loop():
    rng = np.random.default_rng(3)
    pairs = rng.normal(size=(12, 2)) + rng.normal(size=(12, 1))
    found = yardstick.relation(pairs)
    for points, (value, low, high) in (
        (pairs, found.pearson),
        (pairs.argsort(axis=0).argsort(axis=0).astype(float), found.spearman),
    ):
        assert value == pytest.approx(np.corrcoef(points.T)[0, 1])
        assert -1 <= low < value < high <= 1
    assert str(found).count(" to ") == 2
    constant = yardstick.relation([(1.0, float(i)) for i in range(12)])
    assert constant.pearson == constant.spearman == (0.0, 0.0, 0.0)


# A tenth of the draws of the report, whose rates are tested below.
@pytest.mark.parametrize("one", MEASURED, ids=lambda one: one.name)
def test_checks_are_rarely_wrong_under_their_null(one):
    tables = [evidence.measured(RESULTS, name) for name in one.tables]
    if not all(tables):
        tables = [evidence.printed(name) for name in one.printed]
    draws = max(20, one.null.draws // 20)
    found = judging.rates(one, tables, draws=draws)
    # Five percent plus three standard errors for this number of draws.
    assert found.holds + found.in_part <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def kept_rates():
    return {row["claim"]: row for row in read_csv(RESULTS / "claims_rates.csv")}


def test_the_rates_of_the_report_are_at_most_five_percent():
    kept = kept_rates()
    assert list(kept) == [one.name for one in CLAIMS]
    for one in CLAIMS:
        row = kept[one.name]
        assert int(row["draws"]) == (one.null.draws if one.null else 0)
        if one.null:
            assert 0 <= float(row["holds"]) + float(row["in_part"]) <= 0.05, one.name


def judged_with_kept_rates():
    kept = kept_rates()
    judged = claims.judge(RESULTS, draws=0)
    rates = {
        name: judging.Rates(float(row["holds"]), float(row["in_part"]))
        for name, row in kept.items()
        if int(row["draws"])
    }
    return [
        judging.Judged(one.claim, one.verdict, one.seen, one.nearest, one.printed, rates.get(one.claim.name))
        for one in judged
    ]


def test_report_matches_the_results():
    judged = judged_with_kept_rates()
    assert page.verdicts(judged) == (RESULTS / "report.md").read_text()
    assert page.changes(judged) == (RESULTS / "claims_changes.md").read_text()
    assert page.count(judged) == (RESULTS / "claims_count.md").read_text()
    assert page.identities() == (RESULTS / "claims_identities.md").read_text()
    assert correlations.as_markdown(RESULTS) == (RESULTS / "correlations.md").read_text()
    assert sum(one.verdict != Verdict.NOT_RUN for one in judged) > 30


def test_claims_are_in_the_papers_order_and_each_is_named_once():
    assert len({one.name for one in CLAIMS}) == len({(one.place, one.text) for one in CLAIMS}) == len(CLAIMS)
    sections = [re.match(r"[\dC.]+|Abstract", one.place)[0] for one in CLAIMS]
    numbered = [section for section in sections if section != "Abstract"]
    assert numbered == sorted(numbered)
    for one in CLAIMS:
        assert one.documentation, one.name
        assert (one.null is None) == (not one.tables)
        assert one.why, one.name
    # Every table and figure with numbers has at least one claim.
    sources = {source.split("_")[0] for one in CLAIMS for source in (*one.tables, *one.nearest)}
    assert sources == set(PAPER)


def test_statements_that_are_checks_of_the_code_have_a_test():
    for one in IDENTITIES:
        path, _, name = one.test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE), one.test


def rows(**columns):
    return {
        name: {"trials": 5} | {k: v for column, values in columns.items()
                               for k, v in ((column, values[i]), (f"{column}_std", 1.0))}
        for i, name in enumerate(REGULARIZERS)
    }  # fmt: skip


def test_nulls_draw_from_their_stated_distribution():
    numbers = [float(i) for i in range(12)]
    given, random = rows(a=numbers, b=numbers), np.random.default_rng(0)
    (permuted,) = PERMUTED_ROWS.draw([given], random)
    assert sorted(row["a"] for row in permuted.values()) == numbers
    assert all(row["a"] == row["b"] for row in permuted.values())
    assert [row["a"] for row in permuted.values()] != numbers
    (columns,) = PERMUTED_COLUMNS.draw([given], random)
    assert sorted(row["b"] for row in columns.values()) == numbers
    assert any(row["a"] != row["b"] for row in columns.values())
    many = [IDENTICAL.draw([given], random)[0] for _ in range(200)]
    means = np.array([[row["a"] for row in drawn.values()] for drawn in many])
    # Twelve equal regularizers around the median, with the standard error of five trials.
    assert np.abs(means.mean(axis=0) - 5.5).max() < 0.2
    assert means.std() == pytest.approx(1 / math.sqrt(5), rel=0.1)
    assert np.mean([row["a_std"] ** 2 for drawn in many for row in drawn.values()]) == pytest.approx(1, rel=0.1)
    drawn = [related({"b": "a"}, 0.95, "").draw([given], random)[0] for _ in range(200)]
    pairs = np.array([[(row["a"], row["b"]) for row in one.values()] for one in drawn]).reshape(-1, 2)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.95, abs=0.02)
    assert null_module.pooled(rows(a=[math.nan, *numbers[1:]]), "a") == 1.0


def test_claims_without_results_are_not_run(tmp_path):
    def write(name, table):
        (tmp_path / f"{name}.json").write_text(Published("h", "c", "s", table, []).as_json())

    write(
        "table3",
        Table([{"q": "Identity", "trials": 1, "error_mean": math.nan, "error_std": 0.0}], ["error"], label="q"),
    )
    write("table2", Table([{"layer": "Baseline (1st)", "trials": 1, "amplitude_mean": 0.0, "amplitude_std": 0.0}],
                          ["amplitude"], label="layer"))  # fmt: skip
    judged = [one for one in claims.judge(tmp_path, draws=0) if one.claim.tables]
    assert {one.seen for one in judged if one.claim.tables[0] in ("table2", "table3")} == {
        "some networks did not finish",
        "'Baseline (6th)' is missing",
    }
    assert {one.verdict for one in judged} == {Verdict.NOT_RUN}


def test_papers_numbers_are_judged_with_the_spread_measured_here():
    printed = evidence.printed("table6", evidence.measured(RESULTS, "table6"))
    assert printed["Baseline"]["error_std"] == 0.11  # Table 8's default condition
    ours = evidence.measured(RESULTS, "table6")["Dropout"]
    expected = ours["covariance_std"] / ours["covariance"] * paper.printed("table6")["Dropout"]["covariance"]
    assert printed["Dropout"]["covariance_std"] == pytest.approx(expected)
    assert evidence.printed("figure1") is None
    bounds = evidence.printed("figure4_intervals")
    # Fisher's interval for a correlation of 0.78 with twelve points.
    assert bounds["upper bound"]["pearson_low"] == pytest.approx(0.37, abs=0.005)
    assert bounds["upper bound"]["pearson_high"] == pytest.approx(0.94, abs=0.005)
    judged = {one.claim.name: one for one in claims.judge(RESULTS, draws=0)}
    assert judged["dropout_correlates"].printed == "holds: covariance 2.08 to 0.87; correlation 0.27 to 0.42"
    assert judged["best_improves_table4"].printed.startswith("holds: default 6.01 by L1R, data 1k 4.14 by cw-VR")
    assert judged["no_single_best_table9"].verdict == Verdict.NOT_RUN
    assert judged["dropout_correlates"].nearest.startswith("holds: covariance 2.70 to 0.89")


def test_the_yardstick_is_shown_at_every_noise_level_and_for_both_choices(tmp_path):
    names = ("error", "zx", "zx_lower", "zx_upper")
    rows_ = [
        {"regularizer": name, "weights": weights, "noise_variance": noise, "trials": 3}
        | {f"{column}_{end}": float(i) for column in names for end in ("mean", "std")}
        for weights in ("nearest", "validation")
        for noise in (0.1, 10.0)
        for i, name in enumerate(REGULARIZERS)
    ]
    table = Table(rows_, names, shown=("weights", "noise_variance"))
    (tmp_path / "figure4_levels.json").write_text(Published("h", "", "", table, []).as_json())
    lines = correlations.as_markdown(tmp_path).splitlines()
    assert len(lines) == 2 + 3 * 2
    assert lines[0].count("validation") == lines[0].count("nearest") == 2
    assert lines[-1] == f"| I(z;x), upper bound, noise variance 10 {4 * '| 1.00 (1.00 to 1.00) '}|"
    assert correlations.as_markdown(tmp_path / "none") == ""


def test_rates_use_the_spread_of_identical_regularizers():
    always = Claim("c", "1", "t", lambda rows: (Verdict.HOLDS, ""), ("table6",), (), (), IDENTICAL, "", "")
    assert judging.rates(always, [rows(a=[1.0] * 12)], draws=10) == judging.Rates(1.0, 0.0)
    assert judging.rates(always, [None]) is judging.rates(always, []) is None
    missing = Claim("c", "1", "t", lambda rows: rows["x"], ("table6",), (), (), IDENTICAL, "", "")
    assert judging._first_rates(missing, ([rows(a=[1.0] * 12)], []), 10) is None
    assert judging._first_rates(always, ([None], [rows(a=[1.0] * 12)]), 10) == judging.Rates(1.0, 0.0)


def test_claims_true_in_some_conditions_hold_in_part():
    printed = evidence.printed("table4")
    some = {
        name: {key: value for key, value in row.items() if key.startswith(("default", "data_1k", "trials"))}
        for name, row in printed.items()
    }
    improves, differs = (Verdict.HOLDS, "default 6.01 by L1R"), (Verdict.HOLDS, "nowhere clearly worse: none")
    assert judging.so_far(improves, some, printed) == (
        Verdict.PARTLY,
        "default 6.01 by L1R; 2 of 7 conditions were run",
    )
    assert judging.so_far(differs, some, printed)[0] == Verdict.HOLDS
    assert judging.so_far(improves, printed, printed) == improves
    assert judging.so_far((Verdict.NOT_RUN, ""), some, printed) == (Verdict.NOT_RUN, "")


@pytest.fixture
def result():
    rows = [
        {"regularizer": name, "trials": 2}
        | {f"{column}_{part}": mean if part == "mean" else 0.5 for column in ("default", "width_2")
           for part in ("mean", "std")}
        for name, mean in (("Baseline", 3.0), ("CR", 2.0), ("VR", 2.5))
    ]  # fmt: skip
    return Published("Table 8: errors", "A claim.", "A setting.", Table(rows, ["default", "width_2"]), [{"a": "b"}])


def test_published_tables_round_trip(result, tmp_path):
    result.table.rows[2]["default_mean"] = math.nan
    (tmp_path / "table8.json").write_text(result.as_json())
    again = published.read(tmp_path / "table8.json")
    assert again.as_json() == result.as_json()
    assert math.isnan(again.table.rows[2]["default_mean"])
    assert (again.heading, again.table.columns) == (result.heading, ["default", "width_2"])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"table": {"rows": [1]}}', '{"table": {}, "heading": ""}'])
def test_other_files_raise(content, tmp_path, capsys):
    (tmp_path / "table8.json").write_text(content)
    assert main(["report", "--out", str(tmp_path), "--draws", "1"]) == 2
    assert "Expected a table written by `python -m benchmarks`. Received: " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table8.json"]


def test_report_judges_every_claim(result, tmp_path, capsys):
    assert main(["report", "--out", str(tmp_path / "none")]) == 2
    (tmp_path / "table8.json").write_text(result.as_json())
    assert main(["report", "--out", str(tmp_path), "--draws", "3"]) == 0
    text = capsys.readouterr().out
    assert "holds in part  6.1, Table 8 (MNIST)" in text
    assert "does not hold  6.2, Table 8 (MNIST)" in text
    count = (tmp_path / "claims_count.md").read_text()
    assert re.fullmatch(rf"Of {len(CLAIMS)} claims of the paper, 1 hold, 3 hold in part, 3 do not hold, "
                        rf"{len(CLAIMS) - 7} were not run\.\n", count), count  # fmt: skip
    assert count in text
    html = (tmp_path / "report.html").read_text()
    assert html.count("<td>") > 3 * len(CLAIMS)
    assert "default 1.00 by CR (not clear)" in html
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert len(lines) == 2 + len(CLAIMS)
    assert len({line.count(" | ") for line in lines}) == 1
