"""Section 4: sparsity, dead units and rank; the controlled experiment."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.claims.claim import Claim, claim
from benchmarks.claims.counterexamples import aligned_dead_units
from benchmarks.claims.nulls import Null, Random, Tables, related
from benchmarks.claims.verdicts import Finding, Row, Rows, graded
from benchmarks.claims.yardstick import SURE, relation, unrelated

CLAIMS: list[Claim] = []
TABLE_6: dict[str, Any] = {"tables": ("table6_by_validation",), "nearest": ("table6",), "printed": ("table6",)}
# Twice the accuracy of chance on ten classes: below it the layer is switched off.
LEARNS = 20.0
Line = dict[float, Row]
Lines = dict[tuple[str, int], Line]


@claim(
    CLAIMS,
    "4.1",
    "The perfect alignment, at which the share of dead units reaches 1 - r/M, never happens in training.",
    why="New in the list. With the rank as Table 1 defines it, a layer meets the bound whenever the units that are not "
    "dead are linearly independent. Five networks of Table 6 trained with today's code all did: baseline 87 units and "
    "rank 87, Dropout 95 and 95, CR 97 and 97 and 99 and 99, L1R 56 and 56. With the stable rank the bound is far.",
)
def never_aligned() -> Finding:
    """The rank of a random ReLU layer against the number of its units that are not dead."""
    alive, rank = aligned_dead_units()
    return graded(rank < alive), f"a random ReLU layer of 40 units, 10 of them dead: {alive} alive, rank {rank}"


@claim(
    CLAIMS,
    "4.1, Table 6",
    "Between sparsity and rank there is no clear relationship.",
    null=related({"stable_rank": "sparsity"}, SURE, f"a true correlation of {SURE}"),
    why="New in the list. Twelve networks can hardly exclude a relationship, so that it holds in part at most.",
    **TABLE_6,
)
def sparsity_and_rank(table6: Rows) -> Finding:
    """Both correlations by the yardstick: holds if intervals exclude a strong one, in part if it is not strong."""
    found = relation([(row["sparsity"], row["stable_rank"]) for row in table6.values()])
    return unrelated({"sparsity and rank": found})


@claim(
    CLAIMS,
    "Abstract, Table 6",
    "A higher sparsity or additional dead units do not imply a better or worse performance when the rank is fixed.",
    null=related(
        {"sparsity": "error", "dead_units": "error"}, SURE, f"a true correlation of {SURE} of both with the error"
    ),
    why="New in the list.",
    **TABLE_6,
)
def nothing_at_fixed_rank(table6: Rows) -> Finding:
    """Correlations of sparsity and dead units with the error, of what is left after a line through the rank."""
    rank, error = ([row[column] for row in table6.values()] for column in ("stable_rank", "error"))
    found = {}
    for column in ("sparsity", "dead_units"):
        values = [row[column] for row in table6.values()]
        found[column.replace("_", " ")] = relation(np.column_stack([_left(values, rank), _left(error, rank)]))
    return unrelated(found)


def _left(values: list[float], by: list[float]) -> Any:
    """Residuals of a line through the ranks of `by`."""
    ranks = rankdata(by)
    left = np.asarray(values) - np.polyval(np.polyfit(ranks, values, 1), ranks)
    # What is left of a straight line is rounding, not something to correlate.
    return np.where(np.abs(left) < 1e-9 * np.abs(values).max(), 0.0, left)


def lines_of(rows: Rows) -> Lines:
    """Rows by data set and number of factors, then by loss weight."""
    lines: Lines = {}
    for row in rows.values():
        lines.setdefault((row["data"], row["factors"]), {})[row["weight"]] = row
    return lines


def learning(line: Line) -> list[float]:
    """The loss weights, in ascending order, with which the network still learns; no penalty among them."""
    return [weight for weight in sorted(line) if line[weight]["accuracy"] >= LEARNS]


def _lines_null(text: str, change: Callable[[Line, Random], dict[float, dict[str, Any]]]) -> Null:
    def draw(tables: Tables, random: Random) -> Tables:
        drawn: dict[str, Row] = {}
        for (data, factors), line in lines_of(tables[0]).items():
            for weight, row in change(line, random).items():
                drawn[f"{data} {factors} {weight}"] = row
        return [drawn]

    return Null(text, draw, draws=1000)


def _shuffled(line: Line, random: Random) -> dict[float, dict[str, Any]]:
    """The results of a line in another order of the loss weights."""
    weights = sorted(line)
    order = random.permutation(len(weights))
    return {weight: {**line[weights[i]], "weight": weight} for weight, i in zip(weights, order, strict=True)}


def _gaining(points: Callable[[Row], float]) -> Callable[[Line, Random], dict[float, dict[str, Any]]]:
    """Accuracies that every weight raises, with the noise of 10,000 test images, 0.3 points."""

    def change(line: Line, random: Random) -> dict[float, dict[str, Any]]:
        base = line[0.0]["accuracy"]
        return {
            weight: {**row, "accuracy": base + (points(row) if weight else 0.0) + random.normal(0, 0.3)}
            for weight, row in line.items()
        }

    return change


SHUFFLED = _lines_null("loss weights permuted on each data set", _shuffled)
HELPS = _lines_null("every loss weight gains one point, with 0.3 points of noise", _gaining(lambda row: 1.0))
HELPS_FEW = _lines_null(
    "every loss weight gains two points with ten factors and none with more, with 0.3 points of noise",
    _gaining(lambda row: 2.0 if row["factors"] == 10 else 0.0),
)


def controlled(rows: Rows, characteristic: str, sign: int) -> Finding:
    """On nine of ten data sets the rank correlation with the weight is at least 0.9; in part on seven.

    Loss weights that switch the layer off are left out.
    """
    found = []
    for line in lines_of(rows).values():
        weights = learning(line)
        values = [line[weight][characteristic] for weight in weights]
        constant = len(set(values)) < 2
        found.append(0.0 if constant else float(np.corrcoef(rankdata(weights), rankdata(values))[0, 1]))
    right = sum(sign * round(value, 9) >= 0.9 for value in found)
    text = f"rank correlation of weight and {characteristic.replace('_', ' ')} at least 0.9 in size on {right} of "
    text += f"{len(found)} data sets, least {min(found, key=abs):+.2f}; weights that switch the layer off are left out"
    return graded(right >= 0.9 * len(found), right >= 0.7 * len(found)), text


def no_gain_with_few_factors(rows: Rows) -> Finding:
    """With ten factors no weight gains more than half a point; in part if that is so on one of the two data sets."""
    found = {}
    for (data, factors), line in lines_of(rows).items():
        if factors == 10:
            found[data] = max(line[weight]["accuracy"] for weight in learning(line) if weight)
            found[data] -= line[0.0]["accuracy"]
    right = [gain <= 0.5 for gain in found.values()]
    text = "the best weight gains " + ", ".join(f"{gain:+.2f} points ({data})" for data, gain in found.items())
    return graded(all(right), any(right)), text


def gain_does_not_depend_on_factors(rows: Rows) -> Finding:
    """The gains of the best weight are within a point over the numbers of factors; in part on one data set."""
    texts, right = [], []
    for data in dict.fromkeys(data for data, _ in lines_of(rows)):
        gains = {
            factors: max(line[weight]["accuracy"] for weight in learning(line) if weight) - line[0.0]["accuracy"]
            for (name, factors), line in lines_of(rows).items()
            if name == data
        }
        right.append(max(gains.values()) - min(gains.values()) <= 1)
        texts.append(f"{data}: {', '.join(f'{gain:+.1f} (d={factors})' for factors, gain in gains.items())}")
    return graded(all(right), any(right)), "gain of the best weight on " + "; ".join(texts)


def strong_weights_cost(rows: Rows) -> Finding:
    """The largest weight that still learns loses half a point or more, on nine of ten data sets; in part on eight."""
    lost = []
    for line in lines_of(rows).values():
        lost.append(line[0.0]["accuracy"] - line[learning(line)[-1]]["accuracy"])
    right = sum(points >= 0.5 for points in lost)
    text = f"the largest weight that still learns loses half a point or more on {right} of {len(lost)} data sets"
    return graded(right >= 0.9 * len(lost), right >= 0.8 * len(lost)), text


for _figure, _name, _word, _column, _sign, _before in (
    ("figure2", "L1R", "sparsity", "sparsity", 1, "holds in part"),
    ("figure3", "RR", "rank", "stable_rank", -1, "holds"),
):
    _shared: dict[str, Any] = {"place": f"4.3, Figure {_figure[-1]}", "tables": (_figure,), "printed": ()}
    claim(
        CLAIMS,
        text=f"{_name}'s loss weight controls the {_word} well.",
        null=SHUFFLED,
        name=f"{_word}_is_controlled",
        before="holds",
        why="The earlier check compared a weight of 100, which switches the layer off, with none.",
        **_shared,
    )(partial(controlled, characteristic=_column, sign=_sign))
    claim(
        CLAIMS,
        text=f"With ten independent factors, applying {_name} strongly does not improve the accuracy.",
        null=HELPS,
        name=f"{_name}_gains_nothing",
        before=_before,
        why="A claim of its own now; the earlier one put it together with the next.",
        **_shared,
    )(no_gain_with_few_factors)
    claim(
        CLAIMS,
        text=f"The accuracy under {_name} does not depend on the number of independent factors.",
        null=HELPS_FEW,
        name=f"{_name}_by_factors",
        before=_before,
        why="A claim of its own now, with the same threshold of one point.",
        **_shared,
    )(gain_does_not_depend_on_factors)
    claim(
        CLAIMS,
        text=f"The accuracy often suffers when {_name}'s loss weight is increased.",
        null=SHUFFLED,
        name=f"{_name}_costs",
        why="New in the list.",
        **_shared,
    )(strong_weights_cost)
