"""The loss weight of each regularizer (Appendix D.1), which the paper does not print.

D.1 takes the weight of the grid with the best validation performance. Over five networks per weight that leaves
most regularizers with several neighbouring weights whose validation errors differ less than those of two seeds, while
the characteristics of Table 6 differ many times over. So the search has two steps: the weights that are tied with the
best, in the sense in which the paper marks ties in its tables, that the ranges of mean and standard deviation overlap;
and of these the one whose characteristics are nearest to the paper's. The plain best is reported as well.
"""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.sweeps.sweep import sweep
from benchmarks.sweeps.workers import LOCAL, Workers
from benchmarks.tables.aggregate import finished_of, mean_and_std
from benchmarks.training.mnist import MnistRun, train
from keras_repreg.regularizer_set import REGULARIZERS

KEPT = Path(__file__).parents[1] / "results" / "table6_weights.csv"
CHARACTERISTICS = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")
# The paper prints two decimals: smaller differences tell nothing.
PRINTED = 0.02

Paper = dict[str, dict[str, float]]


def kept_weights(path: Path = KEPT) -> dict[str, float]:
    """The weights that an earlier search chose."""
    with path.open(newline="") as file:
        return picked(list(csv.DictReader(file)), "chosen")


def picked(rows: list[dict[str, Any]], column: str) -> dict[str, float]:
    """Weight by regularizer, of the rows with `yes` in the column `chosen` or `best`."""
    return {row["regularizer"]: float(row["weight"]) for row in rows if row[column] == "yes"}


def search_weights(
    run: MnistRun, trials: int, folder: Path, paper: Paper | None, workers: Workers = LOCAL
) -> list[dict[str, Any]]:
    """Train with every weight of the grid; a row for each.

    Args:
        run: What all runs share.
        trials: Networks per weight, with seeds 1, 2, ...; with a single one only equal errors are tied.
        folder: Of the records.
        paper: The characteristics to be near to; None to choose by validation error alone.
        workers: How many, and where.

    Returns:
        Rows with the validation error, whether it is the `best`, whether it is `tied` with the best, the `distance`
        to the paper, and whether the weight is `chosen`. Where training failed, the error is infinite.
    """
    grid = [(name, weight) for name, regularizer in REGULARIZERS.items() for weight in regularizer.weights]
    runs = [
        replace(run, regularizer=name, weight=weight, seed=seed)
        for name, weight in grid
        for seed in range(1, trials + 1)
    ]
    found = sweep(runs, train, folder, workers=workers, title="search for loss weights")
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(name for name, _ in grid):
        results = {
            weight: finished_of(found, regularizer=name, weight=weight) for other, weight in grid if other == name
        }
        rows += _choose(name, results, trials, None if paper is None else paper[name])
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Validation errors by weight: the best bold, those tied with it starred, the chosen in brackets."""
    weights = list(dict.fromkeys(float(row["weight"]) for row in rows))
    lines = [["", *(f"{weight:g}" for weight in weights)], ["---"] + ["---:"] * len(weights)]
    for name in dict.fromkeys(row["regularizer"] for row in rows):
        line = [name]
        for row in (row for row in rows if row["regularizer"] == name):
            text = f"{float(row['validation_error_mean']):.2f}"
            text = f"**{text}**" if row["best"] == "yes" else text + (r"\*" if row["tied"] == "yes" else "")
            line.append(f"[{text}]" if row["chosen"] == "yes" else text)
        lines.append(line)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _choose(
    name: str, results: dict[float, list[dict[str, Any]]], trials: int, paper: dict[str, float] | None
) -> list[dict[str, Any]]:
    errors = {weight: [result["validation_error"] for result in found] for weight, found in results.items()}
    # A weight with which a network failed to train is not to be chosen.
    means = {w: mean_and_std(e)[0] if len(e) == trials else math.inf for w, e in errors.items()}
    best = min(means, key=lambda w: means[w])
    deviations = {w: mean_and_std(e)[1] for w, e in errors.items()}
    tied = {w for w in means if means[w] - deviations[w] <= means[best] + deviations[best]} | {best}
    distances = {w: _distance(found, paper) for w, found in results.items()}
    chosen = min(tied, key=lambda w: (distances[w], means[w])) if paper else best
    return [
        {
            "regularizer": name,
            "weight": weight,
            "trials": len(errors[weight]),
            "validation_error_mean": means[weight],
            "validation_error_std": deviations[weight],
            "best": "yes" if weight == best else "no",
            "tied": "yes" if weight in tied else "no",
            "distance": distances[weight],
            "chosen": "yes" if weight == chosen else "no",
        }
        for weight in means
    ]


def _distance(results: list[dict[str, Any]], paper: dict[str, float] | None) -> float:
    """Mean over the characteristics of |a - b| / (a + b + 0.02), between 0 and 1; NaN without a paper's row."""
    if not results or paper is None:
        return math.nan
    terms = []
    for name in CHARACTERISTICS:
        measured = mean_and_std([result[name] for result in results])[0]
        terms.append(abs(measured - paper[name]) / (measured + paper[name] + PRINTED))
    return sum(terms) / len(terms)
