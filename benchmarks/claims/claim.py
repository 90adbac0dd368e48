"""A claim: the sentence, its place in the paper, its check, and the null under which the check is calibrated."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.claims.nulls import Null
from benchmarks.claims.verdicts import Check


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        name: The check's name and, where several claims share a check, the table's.
        place: Section, and table or figure.
        text: What the paper claims.
        check: Takes the rows of `tables` and returns a verdict and the numbers it rests on.
        tables: The published tables that the check reads; none where the check is a computation.
        nearest: The tables with the loss weights nearest to the paper's rows, judged beside `tables`, which have those
            of least validation error.
        printed: The paper's tables under the same check.
        null: Random tables in which the claim is false; None where the check is a computation.
        before: The verdict of the earlier page; empty where the claim was not on it.
        why: Why the verdict differs, or may.
    """

    name: str
    place: str
    text: str
    check: Check
    tables: tuple[str, ...]
    nearest: tuple[str, ...]
    printed: tuple[str, ...]
    null: Null | None
    before: str
    why: str

    @property
    def documentation(self) -> str:
        """What the check demands, in words."""
        return inspect.getdoc(getattr(self.check, "func", self.check)) or ""


def claim(
    claims: list[Claim],
    place: str,
    text: str,
    *,
    tables: tuple[str, ...] = (),
    nearest: tuple[str, ...] = (),
    printed: tuple[str, ...] | None = None,
    null: Null | None = None,
    name: str = "",
    before: str = "",
    why: str = "",
) -> Callable[[Check], Check]:
    """Append a claim to a section's list; decorates its check. The arguments are the attributes of `Claim`."""

    def register(check: Check) -> Check:
        of_paper = tables if printed is None else printed
        called = name or check.__name__
        claims.append(Claim(called, place, text, check, tables, nearest, of_paper, null, before, why))
        return check

    return register
