"""Hold every claim against a folder of results, and every check against its null."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.claims import evidence, section6
from benchmarks.claims.claim import Claim
from benchmarks.claims.verdicts import Finding, Rows, Verdict
from benchmarks.tables.aggregate import as_csv

SEED = 0
WORDS = {
    Verdict.HOLDS: "hold",
    Verdict.PARTLY: "hold in part",
    Verdict.FAILS: "do not hold",
    Verdict.NOT_RUN: "were not run",
}


@dataclass(frozen=True)
class Rates:
    """How often a check is wrong under its null, as shares of the draws: that it says "holds", or "in part"."""

    holds: float
    in_part: float


@dataclass(frozen=True)
class Judged:
    """A claim held against a folder of results.

    Attributes:
        claim: The claim.
        verdict: Whether it holds here.
        seen: What was seen here, with numbers.
        nearest: The verdict with the loss weights nearest to the paper's rows, and what was seen; empty where there is
            no such choice.
        printed: The same for the paper's own numbers; empty where it prints none.
        rates: Of wrong verdicts under the null; None where the check is a computation.
    """

    claim: Claim
    verdict: Verdict
    seen: str
    nearest: str
    printed: str
    rates: Rates | None


def judge(folder: Path, claims: Iterable[Claim], draws: int | None = None) -> list[Judged]:
    """Judge every claim by what is published in a folder.

    Args:
        folder: Of the results.
        claims: The claims.
        draws: Of each null, fewer than it declares; 0 for none.
    """
    claims = list(claims)
    names = {name for one in claims for name in (*one.tables, *one.nearest)}
    # All are read before anything is drawn: a damaged file ends the command at once.
    here = {name: evidence.measured(folder, name) for name in sorted(names)}
    judged = []
    for one in claims:
        tables = [here[name] for name in one.tables]
        verdict, seen = finding(one, tables)
        nearest = ""
        if one.nearest:
            nearest = ": ".join(part for part in finding(one, [here[name] for name in one.nearest]) if part)
        spreads = [here[name] for name in one.nearest or one.tables]
        from_paper = [evidence.printed(*pair) for pair in zip(one.printed, spreads, strict=False)]
        printed = ""
        if from_paper and all(from_paper):
            printed = ": ".join(part for part in finding(one, from_paper) if part)
        found = None if draws == 0 else _first_rates(one, (tables, from_paper), draws)
        judged.append(Judged(one, verdict, seen, nearest, printed, found))
    return judged


def _first_rates(one: Claim, bases: Iterable[Sequence[Rows | None]], draws: int | None) -> Rates | None:
    """Return the rates that start from the first tables that are complete; None if none are."""
    for base in bases:
        try:
            found = rates(one, base, draws)
        except (KeyError, ValueError):  # rows, columns or numbers are missing
            continue
        if found:
            return found
    return None


def finding(claim: Claim, tables: Sequence[Rows | None]) -> Finding:
    """Run a check; not run where a table, a row or a number is missing, unless the check allows for it."""
    by_condition = claim in section6.CLAIMS
    given = [rows or {} for rows in tables]
    if not all(given) and not (by_condition and any(given) and len(given) > 1):
        return Verdict.NOT_RUN, ""
    numbers = [value for rows in given for row in rows.values() for value in row.values() if isinstance(value, float)]
    if any(map(math.isnan, numbers)) and not by_condition and claim.tables != ("figure4_intervals",):
        return Verdict.NOT_RUN, "some networks did not finish"
    try:
        found = claim.check(*given)
    except KeyError as error:
        return Verdict.NOT_RUN, f"{error} is missing"
    return so_far(found, given[0], evidence.printed(claim.tables[0])) if by_condition and len(given) == 1 else found


def so_far(found: Finding, rows: Rows, printed: Rows | None) -> Finding:
    """Say how many of the paper's conditions were run; what holds in some of them holds in part.

    That no regularizer is the best in all of them can be told from some, since more conditions leave fewer; but not
    that the best improves in all of them.
    """
    run, every = len(section6.conditions(rows)), len(section6.conditions(printed or rows))
    verdict, seen = found
    if run >= every or verdict is Verdict.NOT_RUN:
        return found
    cut = verdict is Verdict.HOLDS and "nowhere clearly worse" not in seen
    return (Verdict.PARTLY if cut else verdict), f"{seen}; {run} of {every} conditions were run"


def rates(claim: Claim, tables: Sequence[Rows | None], draws: int | None = None) -> Rates | None:
    """Draw tables in which the claim is false, and count the wrong verdicts; None without tables to start from."""
    null = claim.null
    if null is None or (null.based and not (tables and all(tables))):
        return None
    random = np.random.default_rng(SEED)
    number = min(null.draws, draws or null.draws)
    given = [rows or {} for rows in tables]
    counts = Counter(claim.check(*null.draw(given, random))[0] for _ in range(number))
    return Rates(counts[Verdict.HOLDS] / number, counts[Verdict.PARTLY] / number)


def tally(judged: Sequence[Judged]) -> str:
    """Return how many claims got each verdict, in words: the one line that other pages quote."""
    counts = Counter(one.verdict for one in judged)
    parts = [f"{counts[verdict]} {text}" for verdict, text in WORDS.items() if counts[verdict]]
    return f"Of {len(judged)} claims of the paper, {', '.join(parts)}."


def rates_as_csv(judged: Sequence[Judged]) -> str:
    """Return the rates of wrong verdicts, one row per claim."""
    return as_csv(
        [
            {
                "claim": one.claim.name,
                "draws": one.claim.null.draws if one.claim.null else 0,
                "holds": one.rates.holds if one.rates else math.nan,
                "in_part": one.rates.in_part if one.rates else math.nan,
            }
            for one in judged
        ]
    )
