"""Sections 5 and 7: mutual information, and what is related to the error."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.claims.claim import Claim, claim
from benchmarks.claims.counterexamples import scalar_code
from benchmarks.claims.nulls import (
    IDENTICAL,
    Null,
    Random,
    Tables,
    random_numbers,
    related,
    uniform,
)
from benchmarks.claims.verdicts import Finding, Rows, graded
from benchmarks.claims.yardstick import RESAMPLES, SURE, is_strong, relation, unrelated
from benchmarks.tables.correlation import pearson, spearman

CLAIMS: list[Claim] = []
H_Y = math.log(10)
NETWORKS = 12
STATISTICS = ("amplitude", "log amplitude", "covariance", "correlation", "sparsity", "dead units", "stable rank")


def statistics(rows: Rows) -> dict[str, list[float]]:
    """Every statistical characteristic over the regularizers, the amplitude also as its logarithm."""
    found = {}
    for name in STATISTICS:
        column = name.removeprefix("log ").replace(" ", "_")
        values = [row[column] for row in rows.values()]
        found[name] = [math.log(max(abs(value), 1e-12)) for value in values] if name.startswith("log ") else values
    return found


@claim(
    CLAIMS,
    "5 and 7, Table 6",
    "None of the statistical characteristics shows a strong and clear relationship to the performance.",
    tables=("table6_by_validation",),
    nearest=("table6",),
    printed=("table6",),
    null=related(
        {"amplitude": "error"}, SURE, f"a true correlation of {SURE} of one characteristic with the error", draws=200
    ),
    before="holds in part",
    why="Now by the yardstick of I(z;x), with the logarithm of the amplitude among the characteristics.",
)
def no_statistic_explains(table6: Rows) -> Finding:
    """Each characteristic by the yardstick."""
    errors = [row["error"] for row in table6.values()]
    return unrelated({name: relation(list(zip(v, errors, strict=True))) for name, v in statistics(table6).items()})


@claim(
    CLAIMS,
    "5, Figure 4",
    "All the regularizers end up with almost the same I(z;y).",
    tables=("figure4",),
    printed=(),
    null=random_numbers(
        "between 0 and H(y)",
        dict.fromkeys(("zy", "zy_lower_conventional", "zy_upper_conventional"), uniform(0, H_Y)),
    ),
    before="holds in part",
    why='The earlier check could not return "does not hold": its limit was above H(y).',
)
def same_information_on_the_label(figure4: Rows) -> Finding:
    """Value and both conventional bounds differ by at most a tenth of H(y) over the twelve; in part by a quarter."""
    columns = {"value": "zy", "lower": "zy_lower_conventional", "upper": "zy_upper_conventional"}
    spans = {
        name: max(row[column] for row in figure4.values()) - min(row[column] for row in figure4.values())
        for name, column in columns.items()
    }
    text = ", ".join(f"{name} {span:.2f}" for name, span in spans.items())
    widest = max(spans.values())
    return graded(widest <= 0.1 * H_Y, widest <= 0.25 * H_Y), f"range over the twelve, of {H_Y:.2f} nats: {text}"


@claim(
    CLAIMS,
    "5, Figure 4",
    "The bounds of I(z;x) depend strongly on the regularizer.",
    tables=("figure4",),
    printed=(),
    null=IDENTICAL,
    before="holds in part",
    why="A claim of its own now: the earlier one put it together with the one before.",
)
def information_depends_on_regularizer(figure4: Rows) -> Finding:
    """Regularizers explain at least 90% of the variance of both bounds over networks; in part at least 75%."""
    shares = {}
    for name, column in {"lower": "zx_lower", "upper": "zx_upper"}.items():
        trials = [row["trials"] for row in figure4.values()]
        within = sum((n - 1) * row[f"{column}_std"] ** 2 for n, row in zip(trials, figure4.values(), strict=True))
        means = np.array([row[column] for row in figure4.values()])
        between = float((np.array(trials) * (means - means.mean()) ** 2).sum())
        shares[name] = between / (between + within) if between + within else 0.0
    text = "share of the variance between regularizers: "
    text += ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    least = min(shares.values())
    return graded(least >= 0.9, least >= 0.75), text


def _unrelated_pairs(tables: Tables, random: Random) -> Tables:
    one = relation(random.normal(size=(NETWORKS, 2)))
    row: dict[str, Any] = {"trials": NETWORKS}
    for name, values in (("pearson", one.pearson), ("spearman", one.spearman)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    return [{"variance 1": row}]


@claim(
    CLAIMS,
    "5 and 7, Figure 4",
    "The bounds of I(z;x) are strongly correlated with the generalization error.",
    tables=("figure4_intervals",),
    null=Null("errors unrelated to I(z;x), alike at every noise level", _unrelated_pairs, 400, based=False),
    before="holds in part",
    why="Pearson's and Spearman's correlation with intervals at every noise level, instead of Pearson's alone. The "
    "kept table has the value of I(z;x) with the weights nearest to the paper's; the next run adds both bounds and "
    "the weights by validation.",
)
def information_explains(intervals: Rows) -> Finding:
    """By the yardstick at every variance of the noise: holds if strong at all, in part if at half of them."""
    found = {name: row for name, row in intervals.items() if "deviation" not in name}
    strong = {}
    for name, row in found.items():
        both = [(row[kind], row[f"{kind}_low"], row[f"{kind}_high"]) for kind in ("pearson", "spearman")]
        # What was not published, or is undefined since all networks are saturated, is not strong by itself.
        known = [one for one in both if not math.isnan(one[0])]
        strong[name] = bool(known) and all(is_strong(one, sign=1) for one in known)
    text = f"strong at {sum(strong.values())} of {len(strong)}: "
    text += ", ".join(
        f"{name} {row['pearson']:.2f} ({row['pearson_low']:.2f} to {row['pearson_high']:.2f})"
        for name, row in found.items()
    )
    share = sum(strong.values()) / len(strong)
    return graded(share == 1, share >= 0.5), text


def _permuted_errors(tables: Tables, random: Random) -> Tables:
    figure4, table6 = tables
    names = list(figure4)
    order = dict(zip(names, random.permutation(names), strict=True))
    return [
        {name: {**row, "error": rows[order[name]]["error"]} for name, row in rows.items()} for rows in (figure4, table6)
    ]


@claim(
    CLAIMS,
    "5 and 7, Figure 4, Table 6",
    "In contrast to the statistical characteristics, I(z;x) shows a strong correlation with the performance.",
    tables=("figure4", "table6"),
    printed=(),
    null=Null("errors permuted over the regularizers", _permuted_errors, 200),
    why="New in the list: the paper's conclusion is about a difference, and a difference is what has to be tested.",
)
def information_explains_more(figure4: Rows, table6: Rows) -> Finding:
    """Correlation of I(z;x) less that of the best statistic: both intervals above 0; in part one."""
    names = [name for name in table6 if name in figure4]
    information = [[figure4[name]["zx"], figure4[name]["error"]] for name in names]
    errors = [table6[name]["error"] for name in names]
    others = [list(zip(values, errors, strict=True)) for values in statistics({n: table6[n] for n in names}).values()]
    points = np.array([information, *others], dtype=float)
    chosen = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    texts, above = [], []
    statistics_: dict[str, Callable[[Any], Any]] = {"Pearson": pearson, "Spearman": spearman}
    for kind, statistic in statistics_.items():
        sizes = np.abs(np.nan_to_num(statistic(points[:, chosen])))
        low, high = np.quantile(sizes[0] - sizes[1:].max(axis=0), [0.025, 0.975])
        here = np.abs(np.nan_to_num(statistic(points)))
        best = int(here[1:].argmax())
        above.append(bool(low > 0))
        texts.append(
            f"{kind} {here[0]:.2f} against {here[1 + best]:.2f} of {STATISTICS[best]} "
            f"(difference {low:+.2f} to {high:+.2f})"
        )
    return graded(all(above), any(above)), "; ".join(texts)


@claim(
    CLAIMS,
    "5",
    "Even a single unit can be sufficient for an encoding to achieve the largest possible I(z;y).",
    why="New in the list.",
)
def scalar_suffices() -> Finding:
    """I(z;y) of one unit whose value is the class, against H(y)."""
    information, entropy = scalar_code()
    return graded(abs(information - entropy) < 1e-9), f"{information:.4f} of {entropy:.4f} nats"
