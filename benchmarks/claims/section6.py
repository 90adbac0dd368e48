"""Section 6: the twelve regularizers under conditions, Tables 4, 8 and 9."""

import math
from collections.abc import Sequence
from math import isfinite, sqrt

from benchmarks.claims.claim import Claim, claim
from benchmarks.claims.nulls import IDENTICAL, columns_of, pooled
from benchmarks.claims.verdicts import Finding, Rows, Verdict, graded
from keras_repreg.regularizer_set import REGULARIZERS

CLAIMS: list[Claim] = []
DATA = {"table4": "CIFAR-10", "table8": "MNIST", "table9": "CIFAR-100"}
# In standard errors of a difference of two means, with the pooled deviation of a condition.
WORSE, BETTER = 3.0, 4.0
COMMON = ("L1W", "L2W", "Dropout", "BN")
REPRESENTATION = tuple(name for name, regularizer in REGULARIZERS.items() if regularizer.layer)
FEW = "fewer than two conditions were run"


def conditions(rows: Rows) -> list[str]:
    """The conditions that were run for the baseline."""
    return [column for column in columns_of(rows) if isfinite(rows["Baseline"][column])]


def best(rows: Rows, condition: str, among: Sequence[str] | None = None) -> str:
    """The regularizer of least error under a condition."""
    finished = [name for name in (among or rows) if isfinite(rows[name][condition])]
    return min(finished, key=lambda name: float(rows[name][condition]))


def standard_error(rows: Rows, condition: str) -> float:
    """Of the difference of two regularizers' mean errors; NaN where each is one network."""
    return pooled(rows, condition) * sqrt(2 / max(row["trials"] for row in rows.values()))


def never_worse(rows: Rows, run: Sequence[str]) -> list[str]:
    """The regularizers that are nowhere worse than the best of a condition by more than three standard errors."""
    return [
        name
        for name in rows
        if all(
            rows[name][condition] - rows[best(rows, condition)][condition] <= WORSE * standard_error(rows, condition)
            for condition in run
        )
    ]


def no_single_best(rows: Rows) -> Finding:
    """No regularizer is best, or not clearly worse than the best, under all conditions; in part if three at most are.

    Clearly worse is by more than three standard errors of a difference.
    """
    run = conditions(rows)
    if len(run) < 2:
        return Verdict.NOT_RUN, FEW
    left = never_worse(rows, run)
    text = ", ".join(f"{condition.replace('_', ' ')}: {best(rows, condition)}" for condition in run)
    text += f"; nowhere clearly worse than the best: {', '.join(left) or 'none'}"
    return graded(not left, len(left) <= 3), text


def best_improves(rows: Rows) -> Finding:
    """The best is clearly better than the baseline under every condition; in part under half of them.

    Clearly better is by more than four standard errors of a difference, which the best of eleven identical ones rarely
    is. The paper prints test errors alone, and so the best is chosen and judged by the same errors.
    """
    run = conditions(rows)
    if len(run) < 2:
        return Verdict.NOT_RUN, FEW
    texts, clear = [], []
    for condition in run:
        name = best(rows, condition)
        gain, error = rows["Baseline"][condition] - rows[name][condition], standard_error(rows, condition)
        clear.append(gain > BETTER * error)
        texts.append(f"{condition.replace('_', ' ')} {gain:.2f} by {name}{'' if clear[-1] else ' (not clear)'}")
    return graded(all(clear), sum(clear) >= len(clear) / 2), ", ".join(texts)


for _table, _data in DATA.items():
    claim(
        CLAIMS,
        f"6.1, Table {_table[-1]} ({_data})",
        "There is no single regularizer that works well under all conditions.",
        tables=(_table,),
        null=IDENTICAL,
        name=f"no_single_best_{_table}",
        before="not run" if _table == "table9" else "holds in part",
        why='The earlier check said "in part" for twelve identical regularizers in 97% of draws.',
    )(no_single_best)


def _first(rows: Rows) -> Rows:
    """The column of 1,000 images alone."""
    names = ("data_1k", "data_1k_std", "trials")
    return {name: {key: row[key] for key in names} for name, row in rows.items()}


@claim(
    CLAIMS,
    "6.1, Tables 4, 8, 9",
    "In the columns of 1,000 images of the three tables, no single regularizer always performs distinctively well.",
    tables=tuple(DATA),
    null=IDENTICAL,
    why="New in the list.",
)
def no_single_best_with_few_images(*tables: Rows) -> Finding:
    """No regularizer is in all three columns the best or not clearly worse; in part if one is.

    Where no regularizer is left after some of the tables, the others cannot change that; else all three are needed.
    """
    columns = {data: _first(rows) for data, rows in zip(DATA.values(), tables, strict=True) if _has_few(rows)}
    if not columns:
        return Verdict.NOT_RUN, ""
    left = set.intersection(*(set(never_worse(rows, ["data_1k"])) for rows in columns.values()))
    text = ", ".join(f"{data}: {best(rows, 'data_1k')}" for data, rows in columns.items())
    text += f"; nowhere clearly worse than the best: {', '.join(sorted(left)) or 'none'}"
    if left and len(columns) < len(DATA):
        return Verdict.NOT_RUN, f"{text}; {len(columns)} of 3 tables were run"
    return graded(not left, len(left) == 1), text


def _has_few(rows: Rows) -> bool:
    """Whether a table was run and has the column of 1,000 images."""
    return bool(rows) and isfinite(rows["Baseline"].get("data_1k", math.nan))


for _table, _data in DATA.items():
    claim(
        CLAIMS,
        f"6.2, Table {_table[-1]} ({_data})",
        "One can improve the performance by choosing the best of the twelve regularizers for the given condition.",
        tables=(_table,),
        null=IDENTICAL,
        name=f"best_improves_{_table}",
        before="not run" if _table == "table9" else "holds in part",
        why='The earlier check said "in part" for twelve identical regularizers in 63% of draws.',
    )(best_improves)


@claim(
    CLAIMS,
    "6.2, Table 4",
    "cw-VR and L1R often had the best performance for CIFAR-10.",
    tables=("table4",),
    null=IDENTICAL,
    why="New in the list.",
)
def often_best_on_cifar10(table4: Rows) -> Finding:
    """The best of at least four conditions, of the seven, is one of the two."""
    run = conditions(table4)
    if len(run) < 4:
        return Verdict.NOT_RUN, f"{len(run)} of 7 conditions were run; four are needed"
    found = [condition for condition in run if best(table4, condition) in ("cw-VR", "L1R")]
    text = ", ".join(f"{condition.replace('_', ' ')}: {best(table4, condition)}" for condition in run)
    return graded(len(found) >= 4), text


@claim(
    CLAIMS,
    "6.2, Tables 4, 8, 9",
    "One of the representation regularizers often outperforms weight regularizers, dropout and BN.",
    tables=tuple(DATA),
    null=IDENTICAL,
    why="New in the list.",
)
def representation_often_better(*tables: Rows) -> Finding:
    """The best of the seven is clearly better than the best of the four in half of all conditions; in part in a third.

    Clearly better is by more than three standard errors of a difference. A table that was not run is left out.
    """
    clear, number = [], 0
    for data, rows in zip(DATA.values(), tables, strict=True):
        for condition in conditions(rows) if rows else []:
            number += 1
            ours, theirs = (best(rows, condition, some) for some in (REPRESENTATION, COMMON))
            if rows[theirs][condition] - rows[ours][condition] > WORSE * standard_error(rows, condition):
                clear.append(f"{data} {condition.replace('_', ' ')}: {ours}")
    if number < 4:
        return Verdict.NOT_RUN, "fewer than four conditions were run"
    text = f"clearly better in {len(clear)} of {number} conditions" + (f" ({', '.join(clear)})" if clear else "")
    return graded(len(clear) >= number / 2, len(clear) >= number / 3), text
