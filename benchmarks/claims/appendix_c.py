"""Appendix C: what Table 6 shows of each regularizer."""

from itertools import product
from math import sqrt
from typing import Any

from benchmarks.claims.claim import Claim, claim
from benchmarks.claims.nulls import (
    IDENTICAL,
    PERMUTED_COLUMNS,
    PERMUTED_ROWS,
    Null,
    Random,
    Tables,
)
from benchmarks.claims.verdicts import Finding, Rows, graded
from keras_repreg.regularizer_set import REGULARIZERS

CLAIMS: list[Claim] = []
TABLE_6: dict[str, Any] = {"tables": ("table6_by_validation",), "nearest": ("table6",), "printed": ("table6",)}
# Of the baseline's error: more than that harms.
HARM = 0.1


@claim(
    CLAIMS,
    "C, Table 6",
    "The characteristic that each representation regularizer targets is manipulated as expected.",
    null=PERMUTED_COLUMNS,
    before="holds",
    why="The same ten comparisons; in part now needs nine of them, not seven.",
    **TABLE_6,
)
def targets_are_hit(table6: Rows) -> Finding:
    """Ten comparisons, all of them; in part nine.

    CR and cw-CR lower the covariance and CR the correlation, VR and cw-VR the amplitude, RR and cw-RR the rank, to 1.0;
    L1R has the highest sparsity and the most dead units.
    """
    lower = (
        ("CR", "covariance"), ("cw-CR", "covariance"), ("CR", "correlation"), ("VR", "amplitude"),
        ("cw-VR", "amplitude"), ("RR", "stable_rank"), ("cw-RR", "stable_rank"),
    )  # fmt: skip
    found = {f"{name} {column}": table6[name][column] < table6["Baseline"][column] for name, column in lower}
    for column in ("sparsity", "dead_units"):
        found[f"L1R {column}"] = table6["L1R"][column] == max(row[column] for row in table6.values())
    found["both ranks are 1.0"] = all(table6[name]["stable_rank"] < 1.05 for name in ("RR", "cw-RR"))
    wrong = [text.replace("_", " ") for text, right in found.items() if not right]
    text = f"{len(found) - len(wrong)} of {len(found)} comparisons" + (f"; not: {', '.join(wrong)}" if wrong else "")
    return graded(not wrong, len(wrong) == 1), text


@claim(
    CLAIMS,
    "C, Table 6",
    "The two weight regularizers have characteristics similar to the baseline's.",
    null=PERMUTED_ROWS,
    before="holds",
    why="With weights by validation alone L1W is strong enough to move the representation.",
    **TABLE_6,
)
def weights_move_nothing(table6: Rows) -> Finding:
    """Five characteristics of each within 20% of the baseline's; in part within 50%."""
    columns = ("amplitude", "covariance", "correlation", "sparsity", "stable_rank")
    changes = {
        f"{column} under {name}".replace("_", " "): (table6[name][column] - table6["Baseline"][column])
        / table6["Baseline"][column]
        for name, column in product(("L1W", "L2W"), columns)
    }
    worst = max(changes, key=lambda key: abs(changes[key]))
    size = abs(changes[worst])
    return graded(size <= 0.2, size <= 0.5), f"at most {100 * changes[worst]:+.0f}% ({worst})"


def _harmed(tables: Tables, random: Random) -> Tables:
    """The error of the network with most dead units is a tenth above the baseline's, with the spread of the trials."""
    rows: dict[str, dict[str, Any]] = {name: dict(row) for name, row in tables[0].items()}
    name = max(rows, key=lambda key: rows[key]["dead_units"])
    for key, center in (("Baseline", 1.0), (name, 1 + HARM)):
        row, n = rows[key], max(rows[key]["trials"], 2)
        trials = random.normal(center * tables[0]["Baseline"]["error"], row["error_std"], n)
        row["error"], row["error_std"] = float(trials.mean()), float(trials.std(ddof=1))
    return [rows]


@claim(
    CLAIMS,
    "C, Table 6",
    "Even 39% of dead units caused by L1R do not hurt the performance.",
    null=Null("L1R raises the error by a tenth", _harmed),
    before="holds",
    why="The earlier check compared two means; the new one excludes harm by more than a tenth.",
    **TABLE_6,
)
def dead_units_do_no_harm(table6: Rows) -> Finding:
    """At least a quarter of the units dead, and an error 2.5 standard errors below the baseline's plus 10%."""
    name = max(table6, key=lambda key: table6[key]["dead_units"])
    before, after = table6["Baseline"], table6[name]
    limit = (1 + HARM) * before["error"] - 2.5 * sqrt(sum(r["error_std"] ** 2 / r["trials"] for r in (before, after)))
    text = f"{name} with {100 * after['dead_units']:.0f}% dead units has an error of {after['error']:.2f}%, "
    text += f"the baseline {before['error']:.2f}%"
    return graded(name == "L1R" and after["dead_units"] >= 0.25 and after["error"] <= limit), text


def clearly(rows: Rows, name: str, column: str) -> float:
    """How far a regularizer is above the baseline, in standard errors of the difference; infinite without a spread."""
    before, after = rows["Baseline"], rows[name]
    difference = after[column] - before[column]
    error = sqrt(sum(row[f"{column}_std"] ** 2 / row["trials"] for row in (before, after)))
    return float(difference / error) if error else float("inf") * difference if difference else 0.0


@claim(
    CLAIMS,
    "C, Table 6",
    "Dropout reduces covariance but actually increases correlation.",
    null=IDENTICAL,
    before="holds",
    why="Each difference must now be three standard errors.",
    **TABLE_6,
)
def dropout_correlates(table6: Rows) -> Finding:
    """Each difference from the baseline is at least three standard errors; in part one of the two."""
    right = [clearly(table6, "Dropout", "covariance") <= -3, clearly(table6, "Dropout", "correlation") >= 3]
    before, after = table6["Baseline"], table6["Dropout"]
    text = "; ".join(
        f"{column} {before[column]:.2f} to {after[column]:.2f}" for column in ("covariance", "correlation")
    )
    return graded(all(right), any(right)), text


@claim(
    CLAIMS,
    "C, Table 6",
    "Dropout's covariance is reduced simply because the activation amplitude is reduced.",
    null=IDENTICAL,
    why="New in the list.",
    **TABLE_6,
)
def dropout_scales(table6: Rows) -> Finding:
    """The covariance is at least three standard errors lower, and over the amplitude's square at least 0.9 as high."""
    before, after = table6["Baseline"], table6["Dropout"]
    amplitude, covariance = (after[column] / before[column] for column in ("amplitude", "covariance"))
    text = f"amplitude times {amplitude:.2f}, covariance times {covariance:.2f}, over the amplitude's square times "
    text += f"{covariance / amplitude**2:.2f}"
    return graded(clearly(table6, "Dropout", "covariance") <= -3 and covariance / amplitude**2 >= 0.9), text


def _zeros_do_nothing(tables: Tables, random: Random) -> Tables:
    rows: dict[str, dict[str, Any]] = {}
    for name in REGULARIZERS:
        row = rows.setdefault(name, {"trials": 5})
        for column in ("covariance", "covariance_all", "correlation", "correlation_all"):
            trials = random.normal(0.3, 0.02, 5)
            row[column], row[f"{column}_std"] = float(trials.mean()), float(trials.std(ddof=1))
    return [rows]


@claim(
    CLAIMS,
    "C",
    "If the inactive units are included with their zero values, covariance and correlation will be different.",
    tables=("table6_all_values",),
    printed=(),
    null=Null("values with zeros that differ by the spread of five trials only", _zeros_do_nothing, based=False),
    why="New in the list. Covariance changes in seven networks, correlation in seven, and both in four.",
)
def zeros_matter(all_values: Rows) -> Finding:
    """With and without zeros, both differ by three standard errors and a tenth in half of the networks."""
    changed = []
    for name, row in all_values.items():
        differences = []
        for column in ("covariance", "correlation"):
            error = sqrt(sum(row[f"{kind}_std"] ** 2 for kind in (column, f"{column}_all")) / row["trials"])
            difference = abs(row[f"{column}_all"] - row[column])
            differences.append(difference >= 3 * error and difference >= 0.1 * row[column])
        changed += [name] if all(differences) else []
    strongest = all_values["L1R"]
    text = f"both change in {len(changed)} of {len(all_values)}; L1R's correlation {strongest['correlation']:.2f} to "
    return graded(len(changed) >= len(all_values) / 2), text + f"{strongest['correlation_all']:.2f}"
