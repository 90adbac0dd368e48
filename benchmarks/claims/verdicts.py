"""What a check returns: a verdict and the numbers that it rests on."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]
Rows = Mapping[str, Row]


class Verdict(StrEnum):
    """Whether a claim holds."""

    HOLDS = "holds"
    PARTLY = "holds in part"
    FAILS = "does not hold"
    NOT_RUN = "not run"


Finding = tuple[Verdict, str]
# Takes the rows of each table that the claim names, in that order.
Check = Callable[..., Finding]


def graded(holds: bool, in_part: bool = False) -> Verdict:
    """Return the highest verdict whose condition is met."""
    return Verdict.HOLDS if holds else Verdict.PARTLY if in_part else Verdict.FAILS
