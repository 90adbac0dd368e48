"""Tables in which a claim is false, drawn at random: how often does its check say that it holds?

A null draws the tables that a check reads. Most start from the measured tables, or from the paper's where nothing was
measured, and take away what the claim rests on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.claims.verdicts import Rows

Tables = Sequence[Rows]
Random = np.random.Generator


@dataclass(frozen=True)
class Null:
    """A random world in which a claim is false.

    Attributes:
        text: What is drawn, for the reader.
        draw: Takes the tables of the claim and a generator; returns tables of the same form.
        draws: How many are drawn for a rate.
        based: Whether the draws need tables to start from.
    """

    text: str
    draw: Callable[[Tables, Random], Tables]
    draws: int = 2000
    based: bool = True


def pooled(rows: Rows, column: str) -> float:
    """Return the pooled standard deviation of a column over its rows; NaN where no row has more than one trial."""
    found = [row[f"{column}_std"] for row in rows.values() if row["trials"] > 1 and math.isfinite(row[column])]
    return math.sqrt(sum(one**2 for one in found) / len(found)) if found else math.nan


def columns_of(rows: Rows) -> list[str]:
    """Return the measured columns: those with a standard deviation beside them."""
    first = next(iter(rows.values()))
    return [name for name in first if f"{name}_std" in first]


def _each(change: Callable[[Rows, Random], Rows]) -> Callable[[Tables, Random], Tables]:
    return lambda tables, random: [change(rows, random) for rows in tables]


def _permuted_rows(rows: Rows, random: Random) -> Rows:
    names = list(rows)
    return {name: rows[names[i]] for name, i in zip(names, random.permutation(len(names)), strict=True)}


def _permuted_columns(rows: Rows, random: Random) -> Rows:
    names = list(rows)
    drawn: dict[str, dict[str, Any]] = {name: dict(rows[name]) for name in names}
    for column in columns_of(rows):
        for name, i in zip(names, random.permutation(len(names)), strict=True):
            drawn[name][column] = rows[names[i]][column]
            drawn[name][f"{column}_std"] = rows[names[i]][f"{column}_std"]
    return drawn


def _identical(rows: Rows, random: Random) -> Rows:
    drawn: dict[str, dict[str, Any]] = {name: dict(row) for name, row in rows.items()}
    for column in columns_of(rows):
        values = [row[column] for row in rows.values() if math.isfinite(row[column])]
        if not values:
            continue
        center, spread = float(np.median(values)), pooled(rows, column)
        for name, row in rows.items():
            if math.isfinite(row[column]):
                trials = random.normal(center, 0.0 if math.isnan(spread) else spread, max(row["trials"], 2))
                drawn[name][column], drawn[name][f"{column}_std"] = float(trials.mean()), float(trials.std(ddof=1))
    return drawn


PERMUTED_ROWS = Null("rows permuted", _each(_permuted_rows))
PERMUTED_COLUMNS = Null("each column permuted by itself", _each(_permuted_columns))
IDENTICAL = Null("identical regularizers, which differ by the spread of the trials", _each(_identical))


def random_numbers(text: str, columns: Mapping[str, Callable[[Random], float]], kept: str = "") -> Null:
    """Replace columns of every row by random numbers.

    Args:
        text: What is drawn.
        columns: One draw for each column.
        kept: A row that stays as it is.
    """

    def change(rows: Rows, random: Random) -> Rows:
        return {
            name: {**row, **({} if name == kept else {column: one(random) for column, one in columns.items()})}
            for name, row in rows.items()
        }

    return Null(f"random numbers: {text}", _each(change))


def uniform(low: float, high: float) -> Callable[[Random], float]:
    """Draw uniformly between two numbers."""
    return lambda random: float(random.uniform(low, high))


def log_uniform(low: float, high: float) -> Callable[[Random], float]:
    """Draw a number whose logarithm is uniform."""
    return lambda random: float(np.exp(random.uniform(np.log(low), np.log(high))))


def related(pairs: Mapping[str, str], correlation: float, text: str, draws: int = 400) -> Null:
    """Let columns follow others with a true correlation, both normal, over the rows.

    Args:
        pairs: The columns that follow, by the column that they follow.
        correlation: Between each and the column that it follows.
        text: What is drawn.
        draws: How many are drawn for a rate.
    """

    def change(rows: Rows, random: Random) -> Rows:
        drawn: dict[str, dict[str, Any]] = {name: dict(row) for name, row in rows.items()}
        leaders = {column: random.normal(size=len(rows)) for column in dict.fromkeys(pairs.values())}
        for column, values in leaders.items():
            for row, value in zip(drawn.values(), values, strict=True):
                row[column] = float(value)
        for column, leader in pairs.items():
            own = random.normal(size=len(rows)) * math.sqrt(1 - correlation**2)
            for row, value, other in zip(drawn.values(), own, leaders[leader], strict=True):
                row[column] = float(correlation * other + value)
        return drawn

    return Null(text, _each(change), draws)
