"""What the paper claims of its tables and figures, each with the check that reads it off the numbers.

A check is made of the numbers measured here and, where the paper prints its own, of these as well: a check that is too
strict shows itself by it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import checks, paper
from benchmarks.checks import Check, Finding, Rows, Verdict
from benchmarks.tables import published
from benchmarks.tables.table import Table


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        source: The published table that tells.
        place: Where in the paper.
        text: What the paper claims.
        check: Whether it holds, and what is seen, from the rows by their name.
    """

    source: str
    place: str
    text: str
    check: Check


_BY_CONDITION: tuple[tuple[str, Check], ...] = (
    ("No single regularizer performs best under all conditions.", checks.no_single_best),
    ("The best of the twelve improves on the baseline under every condition.", checks.best_improves),
)

_OF_TABLE_6: tuple[tuple[str, str, Check], ...] = (
    (
        "Appendix C",
        "Each representation regularizer moves the characteristic that it targets.",
        checks.targets_are_hit,
    ),
    ("Appendix C", "Weight regularizers leave the characteristics as they are.", checks.weights_move_nothing),
    ("Appendix C", "A large share of dead units does not hurt the performance.", checks.dead_units_do_no_harm),
    ("Appendix C", "Dropout lowers covariance but raises correlation.", checks.dropout_correlates),
    (
        "Section 7",
        "No statistical characteristic shows a general pattern with the performance.",
        checks.nothing_explains_the_error,
    ),
)

CLAIMS = (
    Claim(
        "table2",
        "Section 3.2, Table 2",
        "An inserted linear layer (the sixth) is like the ReLU layer below it (the fifth), and unlike the first.",
        checks.linear_like_relu,
    ),
    Claim(
        "table3",
        "Theorem 2, Table 3",
        "A random positive diagonal changes the scale alone: error, correlation, sparsity and dead units stay.",
        checks.diagonal_leaves_the_rest,
    ),
    Claim(
        "table3",
        "Section 3.2, Table 3",
        "A network with a very high correlation of its units performs comparably.",
        checks.high_correlation_performs,
    ),
    Claim(
        "table3",
        "Section 3.2, Table 3",
        "So does a whitened one, whose correlation is much lower, at slightly more error.",
        checks.whitening_performs,
    ),
    Claim(
        "table6",
        "Eq. 5 and 6",
        "No more units are dead than the sparsity and the rank leave room for.",
        checks.dead_sparse_rank,
    ),
    *(
        Claim(source, f"{place}, Table 6{weights}", text, check)
        for source, weights in {"table6": "", "table6_by_validation": ", weights by validation alone"}.items()
        for place, text, check in _OF_TABLE_6
    ),
    Claim(
        "figure1",
        "Section 2, Figure 1",
        "Within a class dropout's units correlate strongly, BN's and CR's hardly; L1R's are active for one or "
        "two classes.",
        checks.units_by_class,
    ),
    Claim(
        "figure2",
        "Section 4.3, Figure 2",
        "L1R's loss weight controls the sparsity.",
        checks.controlled("sparsity", rising=True),
    ),
    Claim(
        "figure2",
        "Section 4.3, Figure 2",
        "Sparsity does not help more where the data has few factors, and strong L1R does not help at all.",
        checks.accuracy_needs_none,
    ),
    Claim(
        "figure3",
        "Section 4.3, Figure 3",
        "RR's loss weight controls the rank.",
        checks.controlled("stable_rank", rising=False),
    ),
    Claim(
        "figure3",
        "Section 4.3, Figure 3",
        "A lower rank does not help more where the data has few factors, and strong RR does not help at all.",
        checks.accuracy_needs_none,
    ),
    Claim(
        "figure4_correlations",
        "Section 5, Figure 4",
        "Both bounds of I(z;x) correlate strongly with the generalization error.",
        checks.information_explains,
    ),
    Claim(
        "figure4",
        "Section 5, Figure 4",
        "All regularizers end up with almost the same I(z;y), while I(z;x) differs.",
        checks.same_information_on_the_label,
    ),
    *(
        Claim(table, f"Section 6.{part}, Table {table[-1]} ({data})", text, check)
        for table, data in {"table4": "CIFAR-10", "table8": "MNIST", "table9": "CIFAR-100"}.items()
        for part, (text, check) in enumerate(_BY_CONDITION, 1)
    ),
)


@dataclass(frozen=True)
class Judged:
    """A claim held against a folder of results.

    Attributes:
        claim: The claim.
        verdict: Whether it holds here.
        seen: What was seen here, with numbers.
        printed: The same check of the paper's own numbers: its verdict and what is seen; empty where it prints none.
    """

    claim: Claim
    verdict: Verdict
    seen: str
    printed: str


def judge(folder: Path, claims: Iterable[Claim] = CLAIMS) -> list[Judged]:
    """Every claim against what is published in a folder."""
    judged = []
    for claim in claims:
        printed = paper.printed(claim.source)
        in_paper = ": ".join(claim.check(printed)) if printed else ""
        path = folder / f"{claim.source}.json"
        finding = Verdict.NOT_RUN, ""
        if path.is_file():
            finding = _found(claim, rows_of(published.read(path).table), printed)
        judged.append(Judged(claim, *finding, in_paper))
    return judged


def _found(claim: Claim, rows: Rows, printed: Rows | None) -> Finding:
    """What the check finds; not run where rows or numbers are missing, but for conditions, which may be."""
    by_condition = claim.check in (check for _, check in _BY_CONDITION)
    missing = any(math.isnan(value) for row in rows.values() for value in row.values() if isinstance(value, float))
    if missing and not by_condition:
        return Verdict.NOT_RUN, "some networks did not finish"
    try:
        finding = claim.check(rows)
    except KeyError as error:
        return Verdict.NOT_RUN, f"{error} is missing"
    return _so_far(claim, finding, rows, printed) if by_condition and printed else finding


def _so_far(claim: Claim, finding: Finding, rows: Rows, printed: Rows) -> Finding:
    """What was found, where the paper has more conditions than were run.

    That none is the best in all of them can be had from some; that the best improves in all of them holds in part.
    """
    run, all_of_them = (len(checks.conditions(some)) for some in (rows, printed))
    verdict, seen = finding
    if run >= all_of_them or verdict is Verdict.NOT_RUN:
        return finding
    seen += f"; {run} of {all_of_them} conditions were run"
    of_all = claim.check is checks.best_improves
    return Verdict.PARTLY if of_all and verdict is Verdict.HOLDS else verdict, seen


def rows_of(table: Table) -> Rows:
    """The means by row and column, under the columns' plain names, and the deviations under `<column>_std`.

    Rows go by their labels, or where these are not unique by all that tells them apart, which is then beside the means.
    """
    means = [
        {column: row[f"{column}_mean"] for column in table.columns}
        | {f"{column}_std": row[f"{column}_std"] for column in table.columns}
        for row in table.rows
    ]
    labels = [str(row[table.label]) for row in table.rows]
    if len(set(labels)) == len(labels):
        return dict(zip(labels, means, strict=True))
    known = [{key: row[key] for key in (table.label, *table.shown)} for row in table.rows]
    return {" ".join(map(str, key.values())): key | mean for key, mean in zip(known, means, strict=True)}
