"""The claims as Markdown, for docs/claims.md: verdicts, how they changed, the count, and the checks of the code."""

from collections.abc import Sequence

from benchmarks.claims.identities import IDENTITIES
from benchmarks.claims.judging import Judged, tally


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(share: float) -> str:
    """Return a share in percent, with a decimal; an exact 0 without one."""
    return f"{100 * share:.1f}%" if share else "0%"


def rates(one: Judged) -> str:
    """Return how often the check is wrong under its null."""
    if one.claim.null is None:
        return "a computation"
    return f"{percent(one.rates.holds)}, {percent(one.rates.in_part)}" if one.rates else "not computed"


def verdicts(judged: Sequence[Judged]) -> str:
    """Return each claim with its verdict, the evidence, the paper's own numbers, and the rates of wrong verdicts."""
    header = ("", "in the paper", "claim", "here", "what was seen", "the paper's own numbers", "wrong under the null")
    rows = []
    for number, one in enumerate(judged, 1):
        seen = one.seen + (f" — *nearest weights:* {one.nearest}" if one.nearest else "")
        rows.append(
            [str(number), one.claim.place, one.claim.text, f"**{one.verdict}**", seen, one.printed or "–", rates(one)]
        )
    return table(header, rows)


def changes(judged: Sequence[Judged]) -> str:
    """Return for each claim its check and null, and how and why its verdict changed."""
    header = ("", "check", "null", "before", "now", "why")
    rows = []
    for number, one in enumerate(judged, 1):
        documentation = (one.claim.documentation or "").strip()
        check = " ".join(documentation.split())
        null = one.claim.null.text if one.claim.null else "none: a computation"
        rows.append([str(number), check, null, one.claim.before or "–", one.verdict, one.claim.why or "–"])
    return table(header, rows)


def count(judged: Sequence[Judged]) -> str:
    """Return the one line that other pages quote."""
    return f"{tally(judged)}\n"


def identities() -> str:
    """Return the statements that are checks of the code."""
    rows = [[one.place, one.text, f"`{one.test}`"] for one in IDENTITIES]
    return table(("in the paper", "what follows from the definitions", "tested by"), rows)
