"""Checks that read a claim of the paper off a table's numbers.

Each takes the rows by their name, with a mean by column, and gives a verdict and what is seen. The thresholds are ours:
the paper says "similar", "comparable", "strong".
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import product
from math import isfinite, log
from typing import Any

from benchmarks.tables.aggregate import rank_correlation
from keras_repreg.regularizer_set import REGULARIZERS

Row = Mapping[str, Any]
Rows = Mapping[str, Row]


class Verdict(StrEnum):
    """Whether a claim holds."""

    HOLDS = "holds"
    PARTLY = "holds in part"
    FAILS = "does not hold"
    NOT_RUN = "not run"


# The paper prints two decimals: less than this is zero.
PRINTED = 0.005

Finding = tuple[Verdict, str]
Check = Callable[[Rows], Finding]


def _graded(holds: bool, in_part: bool = False) -> Verdict:
    return Verdict.HOLDS if holds else Verdict.PARTLY if in_part else Verdict.FAILS


def linear_like_relu(rows: Rows) -> Finding:
    """Four characteristics of the sixth layer: is each nearer to the fifth layer's, as a ratio, than the first's is?"""

    def distance(layer: str, other: str, column: str) -> float:
        return abs(log(max(rows[layer][column], PRINTED) / max(rows[other][column], PRINTED)))

    nearer = [
        distance(f"{name} (6th)", f"{name} (5th)", column) < distance(f"{name} (1st)", f"{name} (5th)", column)
        for name in ("Baseline", "Dropout", "BN")
        for column in ("amplitude", "covariance", "correlation", "stable_rank")
    ]
    share = sum(nearer) / len(nearer)
    return _graded(share >= 0.75, share >= 0.5), f"{sum(nearer)} of {len(nearer)} characteristics are nearer"


def diagonal_leaves_the_rest(rows: Rows) -> Finding:
    """The rows of the identity and of a random positive diagonal, of which only the scale may differ."""
    before, after = rows["Identity"], rows["Random positive diagonal"]
    kept = ("error", "correlation", "sparsity", "dead_units")
    change = max(abs(after[column] - before[column]) for column in kept)
    text = f"amplitude {before['amplitude']:.2f} to {after['amplitude']:.2f}; {', '.join(kept)} differ by {change:.1e}"
    return _graded(change < 1e-3 and after["amplitude"] != before["amplitude"]), text.replace("_", " ")


def high_correlation_performs(rows: Rows) -> Finding:
    """Correlation of 0.8 or more, at most half a point of error more than the original network."""
    before, after = rows["Identity"], rows["Ones with random positive diagonal"]
    text = f"correlation {after['correlation']:.2f} at {after['error']:.2f}% error, the original {before['error']:.2f}%"
    return _graded(after["correlation"] >= 0.8 and after["error"] <= before["error"] + 0.5), text


def whitening_performs(rows: Rows) -> Finding:
    """At most half the correlation; at most three points of error more in full, ten in part."""
    before, after = rows["Identity"], rows["Whitening"]
    reduced, more = after["correlation"] <= before["correlation"] / 2, after["error"] - before["error"]
    text = f"correlation {before['correlation']:.2f} to {after['correlation']:.2f}; "
    text += f"error {before['error']:.2f}% to {after['error']:.2f}%"
    return _graded(reduced and more <= 3, reduced and more <= 10), text


def targets_are_hit(rows: Rows) -> Finding:
    """Each representation regularizer against the baseline, in the characteristic that its penalty is made of."""
    lower = {"CR": "correlation", "VR": "amplitude", "cw-VR": "amplitude", "RR": "stable_rank", "cw-RR": "stable_rank"}
    found = {f"{name} lowers {column}": rows[name][column] < rows["Baseline"][column] for name, column in lower.items()}
    for name in ("CR", "cw-CR"):
        found[f"{name} lowers covariance"] = rows[name]["covariance"] < rows["Baseline"]["covariance"]
    for column in ("sparsity", "dead_units"):
        found[f"L1R has most {column}"] = rows["L1R"][column] == max(row[column] for row in rows.values())
    found["both ranks are 1.0"] = all(rows[name]["stable_rank"] < 1.05 for name in ("RR", "cw-RR"))
    wrong = [text for text, right in found.items() if not right]
    share = 1 - len(wrong) / len(found)
    seen = f"{len(found) - len(wrong)} of {len(found)} are" + (f"; not: {', '.join(wrong)}" if wrong else "")
    return _graded(not wrong, share >= 0.7), seen.replace("_", " ")


def weights_move_nothing(rows: Rows) -> Finding:
    """L1W and L2W against the baseline: within 20% in full; dead units are few, and counted in points."""
    columns = ("amplitude", "covariance", "correlation", "sparsity", "stable_rank")
    changes = {
        f"{column} under {name}": rows[name][column] / rows["Baseline"][column] - 1
        for name, column in product(("L1W", "L2W"), columns)
    }
    worst = max(changes, key=lambda key: abs(changes[key]))
    dead = max(abs(rows[name]["dead_units"] - rows["Baseline"]["dead_units"]) for name in ("L1W", "L2W"))
    text = f"at most {100 * changes[worst]:+.0f}% ({worst}); dead units by {100 * dead:.0f} points"
    return _graded(abs(changes[worst]) <= 0.2, abs(changes[worst]) <= 0.5), text.replace("_", " ")


def dead_units_do_no_harm(rows: Rows) -> Finding:
    """The network with most dead units against the baseline."""
    name = max(rows, key=lambda key: rows[key]["dead_units"])
    before, after = rows["Baseline"], rows[name]
    text = f"{name} with {100 * after['dead_units']:.0f}% dead units errs {after['error']:.2f}%, "
    return _graded(after["error"] <= before["error"]), f"{text}the baseline {before['error']:.2f}%"


def dropout_correlates(rows: Rows) -> Finding:
    """Covariance below, correlation above the baseline's."""
    before, after = rows["Baseline"], rows["Dropout"]
    columns = ("covariance", "correlation")
    text = "; ".join(f"{column} {before[column]:.2f} to {after[column]:.2f}" for column in columns)
    covariance, correlation = (after[column] - before[column] for column in columns)
    return _graded(covariance < 0 < correlation), text


def nothing_explains_the_error(rows: Rows) -> Finding:
    """Spearman's rank correlation of error and characteristic over the twelve: below 0.6, whose p-value is 0.04."""
    columns = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")
    errors = [row["error"] for row in rows.values()]
    found = {column: rank_correlation(errors, [row[column] for row in rows.values()]) for column in columns}
    strong = [column for column, value in found.items() if abs(value) >= 0.6]
    text = "rank correlation with the error: " + ", ".join(f"{column} {value:+.2f}" for column, value in found.items())
    return _graded(not strong, len(strong) <= 2), text.replace("_", " ")


def dead_sparse_rank(rows: Rows) -> Finding:
    """Equations 5 and 6 for the 100 units, with the stable rank, which is at most the rank."""
    right = [
        row["dead_units"] <= row["sparsity"] and 100 * row["dead_units"] <= 100 - row["stable_rank"]
        for row in rows.values()
    ]
    return _graded(all(right)), f"in {sum(right)} of {len(right)} rows"


def units_by_class(rows: Rows) -> Finding:
    """What the caption of Figure 1 says of single networks, counted over all units."""
    found = {
        "dropout's units correlate more within a class": rows["Dropout"]["class_wise_correlation"]
        > rows["Baseline"]["class_wise_correlation"],
        "BN's and CR's less": max(rows[name]["class_wise_correlation"] for name in ("BN", "CR"))
        < rows["Baseline"]["class_wise_correlation"],
        "L1R's are active for one or two classes": rows["L1R"]["classes_of_a_unit"] <= 2
        and rows["L1R"]["classes_of_a_unit"] == min(row["classes_of_a_unit"] for row in rows.values()),
    }
    wrong = [text for text, right in found.items() if not right]
    numbers = ", ".join(f"{name} {row['class_wise_correlation']:.2f}" for name, row in rows.items())
    text = f"within classes units correlate by {numbers}; L1R's units answer to {rows['L1R']['classes_of_a_unit']:.1f} "
    text += "classes" + (f"; not so: {', '.join(wrong)}" if wrong else "")
    return _graded(not wrong, len(wrong) < len(found)), text


def controlled(characteristic: str, rising: bool) -> Check:
    """Of a figure's rows (data, number of factors, weight): the characteristic at the last weight against none."""

    def check(rows: Rows) -> Finding:
        lines = list(_lines(rows).values())
        moved = [(line[max(line)][characteristic] > line[0.0][characteristic]) == rising for line in lines]
        first, last = (sum(line[end(line)][characteristic] for line in lines) / len(lines) for end in (min, max))
        text = f"on {sum(moved)} of {len(lines)} data sets; on average {characteristic.replace('_', ' ')} "
        return _graded(all(moved), sum(moved) > len(moved) / 2), f"{text}{first:.2f} to {last:.2f}"

    return check


def accuracy_needs_none(rows: Rows) -> Finding:
    """What weights change in accuracy, in points, for each data set and number of factors d.

    It holds if the best weight gains the same for every d, within a point, and the strongest with which the network
    still learns gains nothing with the fewest factors; in part if, where d matters, the fewest do not gain the most.
    """
    texts, same, right = [], [], []
    for data in dict.fromkeys(data for data, _ in _lines(rows)):
        lines = {d: line for (name, d), line in _lines(rows).items() if name == data}
        gains = {
            d: {weight: row["accuracy"] - line[0.0]["accuracy"] for weight, row in line.items() if weight}
            for d, line in lines.items()
        }
        best = {d: max(gain.values()) for d, gain in gains.items()}
        few = min(lines)
        learning = [w for w in gains[few] if lines[few][w]["accuracy"] > lines[few][0.0]["accuracy"] / 2]
        strongest = gains[few][max(learning)] if learning else 0.0
        same.append(max(best.values()) - min(best.values()) <= 1)
        right.append(best[few] <= max(best.values()) - 1 or same[-1])
        right.append(strongest <= 0.5)
        texts.append(f"{data}: best {', '.join(f'{gain:+.1f} (d={d})' for d, gain in best.items())}")
        texts.append(f"strongest that learns {strongest:+.1f} (d={few})")
    return _graded(all(same) and all(right), all(right)), "; ".join(texts)


def _lines(rows: Rows) -> dict[tuple[str, int], dict[float, Row]]:
    """The rows by data set and number of factors, then by loss weight."""
    lines: dict[tuple[str, int], dict[float, Row]] = {}
    for row in rows.values():
        lines.setdefault((row["data"], row["factors"]), {})[row["weight"]] = row
    return lines


def information_explains(rows: Rows) -> Finding:
    """Pearson's correlation of both bounds of I(z;x) with the error: 0.7 or more for the noise shown, and for all."""
    found = {name: min(row["zx_lower"], row["zx_upper"]) for name, row in rows.items()}
    text = ", ".join(f"{value:.2f} at a noise variance of {name}" for name, value in found.items())
    return _graded(min(found.values()) >= 0.7, max(found.values()) >= 0.7), f"the lesser of the two: {text}"


def same_information_on_the_label(rows: Rows) -> Finding:
    """The conventional values of I(z;y), as in the paper: their range over the twelve, and that of I(z;x)."""
    bounds = {"I(z;y)": ("zy_lower_conventional", "zy_upper_conventional"), "I(z;x)": ("zx_lower", "zx_upper")}
    spans = {}
    for name, columns in bounds.items():
        values = [[row[column] for row in rows.values()] for column in columns]
        spans[name] = max(max(some) - min(some) for some in values)
    text = f"over the twelve, I(z;y) spans {spans['I(z;y)']:.2f} nats and I(z;x) {spans['I(z;x)']:.2f}"
    return _graded(spans["I(z;y)"] <= 0.1 * spans["I(z;x)"], spans["I(z;y)"] <= 0.5 * spans["I(z;x)"]), text


def no_single_best(rows: Rows) -> Finding:
    """The best regularizer of each condition; in part if one is the best or tied with it everywhere."""
    run = conditions(rows)
    if len(run) < 2:
        return Verdict.NOT_RUN, "fewer than two conditions were run"
    best = {condition: _best(rows, condition) for condition in run}
    everywhere = [name for name in rows if all(_tied(rows, name, condition) for condition in run)]
    text = ", ".join(f"{condition.replace('_', ' ')}: {name}" for condition, name in best.items())
    text += f"; best or tied everywhere: {', '.join(everywhere) or 'none'}"
    return _graded(not everywhere, len(set(best.values())) > 1), text


def best_improves(rows: Rows) -> Finding:
    """The best of the twelve against the baseline, in points: by more than both deviations everywhere, or at all.

    And whether it is a representation regularizer.
    """
    run = conditions(rows)
    if len(run) < 2:
        return Verdict.NOT_RUN, "fewer than two conditions were run"
    texts, clear, ours = [], [], []
    for condition in run:
        name = _best(rows, condition)
        gain = rows["Baseline"][condition] - rows[name][condition]
        clear.append(gain > sum(rows[row][f"{condition}_std"] for row in ("Baseline", name)))
        ours.append(bool(REGULARIZERS[name].layer))
        texts.append(f"{condition.replace('_', ' ')} {gain:.2f} by {name}{'' if clear[-1] else ' (within the spread)'}")
    return _graded(all(clear), any(clear)), f"{', '.join(texts)}; {sum(ours)} of {len(ours)} penalize representations"


def conditions(rows: Rows) -> list[str]:
    """The columns in which the baseline was run."""
    means = {name: value for name, value in rows["Baseline"].items() if not name.endswith("_std")}
    return [name for name, value in means.items() if isinstance(value, float) and isfinite(value)]


def _best(rows: Rows, condition: str) -> str:
    finished = [name for name in rows if isfinite(rows[name][condition])]
    return min(finished, key=lambda name: float(rows[name][condition]))


def _tied(rows: Rows, name: str, condition: str) -> bool:
    """Whether a regularizer is the best or its range of mean and deviation overlaps with the best one's."""
    best, row = rows[_best(rows, condition)], rows[name]
    return bool(row[condition] - row[f"{condition}_std"] <= best[condition] + best[f"{condition}_std"])
