"""The grid search for the loss weight of each regularizer (Appendix D.1), which the paper does not print.

D.1 takes the weight of the grid with the best validation performance. Over five networks per weight that leaves most
regularizers with several neighbouring weights whose validation errors differ by less than those of two seeds, while the
characteristics of Table 6 differ many times over. So a weight can be chosen in two ways: `validation` takes the one of
least validation error, `nearest` takes, of those that are tied with it, the one whose characteristics are nearest to
the paper's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.tables.aggregate import finished_of, mean_and_std, read_csv
from benchmarks.tables.ties import best_and_tied
from keras_repreg.regularizer_set import GRID, REGULARIZERS

KEPT = Path(__file__).parents[1] / "results" / "table6_weights.csv"
CHARACTERISTICS = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")
# The paper prints two decimals: smaller differences mean nothing.
PRINTED = 0.02

Choose = Literal["validation", "nearest"]
Paper = Mapping[str, Mapping[str, float]]


def kept_weights(path: Path = KEPT) -> dict[str, float]:
    """Return the weights that an earlier search chose."""
    return picked(read_csv(path), "chosen")


def validated_weights(path: Path = KEPT) -> dict[str, float]:
    """Return the weights of least validation error in an earlier search."""
    return picked(read_csv(path), "best")


def picked(rows: Iterable[Mapping[str, Any]], column: str) -> dict[str, float]:
    """Return the weight by regularizer, of the rows with `yes` in the column `chosen` or `best`."""
    return {row["regularizer"]: float(row["weight"]) for row in rows if row[column] == "yes"}


def grid_runs(base: Any, trials: int, names: Iterable[str] = REGULARIZERS, grid: Sequence[float] = GRID) -> list[Any]:
    """Return a run for each regularizer that has a loss weight, each weight, and each seed from 1 to `trials`."""
    return [
        replace(base, regularizer=name, weight=weight, seed=seed)
        for name in names
        for weight in REGULARIZERS[name].weights
        if weight in grid
        for seed in range(1, trials + 1)
    ]


def runs_with(
    base: Any, weights: Mapping[str, float], seeds: Iterable[int], names: Iterable[str] = REGULARIZERS
) -> list[Any]:
    """Return a run for each regularizer and seed, without regularizers for which no loss weight was found."""
    return [
        replace(base, regularizer=name, weight=weights.get(name, 0.0), seed=seed)
        for name in names
        if name in weights or not REGULARIZERS[name].weights
        for seed in seeds
    ]


def records_with(found: Iterable[dict[str, Any]], weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the records whose loss weight is the given one of their regularizer."""
    return [one for one in found if one["config"]["weight"] == weights.get(one["config"]["regularizer"], 0.0)]


def results_of(found: Iterable[dict[str, Any]], base: Any, name: str, weight: float) -> list[dict[str, Any]]:
    """Return the results of the finished runs of a regularizer with a loss weight, whatever their seed."""
    fields = asdict(replace(base, regularizer=name, weight=weight))
    del fields["seed"]
    return finished_of(found, **fields)


def search_rows(
    found: Sequence[dict[str, Any]],
    base: Any,
    trials: int,
    *,
    choose: Choose = "validation",
    paper: Paper | None = None,
    names: Iterable[str] = REGULARIZERS,
    grid: Sequence[float] = GRID,
) -> list[dict[str, Any]]:
    """Return a row for each regularizer and loss weight, from the records of `grid_runs`.

    Args:
        found: The records.
        base: What all runs share.
        trials: Networks per weight. A weight with which one of them failed to train is not chosen, and where all
            weights failed there is none.
        choose: By least `validation` error, or of the weights tied with it the `nearest` to the paper.
        paper: The characteristics to be near to, by regularizer.
        names: The regularizers.
        grid: The weights that were tried.

    Returns:
        Rows with the validation error (infinite if no network finished), whether it is the `best`, whether it is `tied`
        with the best, the `distance` to the paper, and whether the weight is `chosen`.
    """
    rows: list[dict[str, Any]] = []
    for name in names:
        weights = [weight for weight in REGULARIZERS[name].weights if weight in grid]
        results = {weight: results_of(found, base, name, weight) for weight in weights}
        printed = None if paper is None else paper[name]
        rows += [{"regularizer": name, **row} for row in _rows(results, trials, printed, choose)]
    return rows


def _rows(
    results: Mapping[float, list[dict[str, Any]]], trials: int, printed: Mapping[str, float] | None, choose: Choose
) -> list[dict[str, Any]]:
    errors = {weight: mean_and_std([one["validation_error"] for one in some]) for weight, some in results.items()}
    best, tied = best_and_tied({weight: errors[weight] for weight, some in results.items() if len(some) == trials})
    distances = {weight: _distance(some, printed) for weight, some in results.items()}
    chosen = best
    if choose == "nearest" and best is not None:
        chosen = min({best} | tied, key=lambda weight: (distances[weight], errors[weight][0]))
    return [
        {
            "weight": weight,
            "trials": len(some),
            "validation_error_mean": errors[weight][0] if some else math.inf,
            "validation_error_std": errors[weight][1],
            "best": "yes" if weight == best else "no",
            "tied": "yes" if weight in tied or weight == best else "no",
            "distance": distances[weight],
            "chosen": "yes" if weight == chosen else "no",
        }
        for weight, some in results.items()
    ]


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return validation errors by weight: the best bold, those tied with it starred, the chosen in brackets."""
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


def _distance(results: list[dict[str, Any]], printed: Mapping[str, float] | None) -> float:
    """Return the mean over the characteristics of |a - b| / (a + b + 0.02), from 0 to 1; NaN without a printed row."""
    if not results or printed is None:
        return math.nan
    terms = []
    for name in CHARACTERISTICS:
        measured = mean_and_std([result[name] for result in results])[0]
        terms.append(abs(measured - printed[name]) / (measured + printed[name] + PRINTED))
    return sum(terms) / len(terms)
