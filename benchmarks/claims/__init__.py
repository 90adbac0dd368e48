"""The paper's claims, in its order, each with the check that reads it off the numbers."""

from pathlib import Path

from benchmarks.claims import appendix_c, judging, section2, section3, section4, section5, section6
from benchmarks.claims.claim import Claim
from benchmarks.claims.judging import Judged, rates, tally
from benchmarks.claims.verdicts import Verdict

CLAIMS: tuple[Claim, ...] = (
    *section2.CLAIMS,
    *section3.CLAIMS,
    *section4.CLAIMS,
    *section5.CLAIMS,
    *section6.CLAIMS,
    *appendix_c.CLAIMS,
)


def judge(folder: Path, *, draws: int | None = None) -> list[Judged]:
    """Judge every claim by what is published in a folder; `draws` limits those of each null, and 0 leaves them out."""
    return judging.judge(folder, CLAIMS, draws)


__all__ = ["CLAIMS", "Claim", "Judged", "Verdict", "judge", "rates", "tally"]
