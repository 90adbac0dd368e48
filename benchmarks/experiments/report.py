"""Hold the results against the paper: for each claim, does it hold here, and what was seen.

Reads what the other commands have written into the folder; with `--out benchmarks/results`, what the repository keeps.
"""

import argparse
from collections import Counter
from pathlib import Path

from benchmarks import claims, command
from benchmarks.checks import Verdict
from benchmarks.claims import Judged
from benchmarks.tables import page, published

HELP = "one page: each claim of the paper, and whether it holds here"
COLORS = {Verdict.HOLDS: "holds", Verdict.PARTLY: "in-part", Verdict.FAILS: "not", Verdict.NOT_RUN: "not-run"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    parser.add_argument("--out", type=Path, default=command.DEFAULT_OUT, help="folder of the results (default runs)")


def run(arguments: argparse.Namespace) -> int:
    """Judge, print, and write the page."""
    folder: Path = arguments.out
    if not any(folder.glob("*.json")):
        raise ValueError(f"Expected a folder with results, such as `table6` writes. Received: {folder}")
    judged = claims.judge(folder)
    for one in judged:
        print(f"{one.verdict:<14} {one.claim.place}: {one.claim.text}\n{'':<15}{one.seen or 'no results'}")
    print(f"\nOf {len(judged)} claims {tally(judged)}.")
    written = [
        command.write(folder / "report.html", as_html(judged, folder)),
        command.write(folder / "report.md", as_markdown(judged)),
    ]
    print(f"Written: {', '.join(map(str, written))}")
    return 0


def tally(judged: list[Judged]) -> str:
    """How many claims got each verdict, in words."""
    counts = Counter(one.verdict for one in judged)
    words = {Verdict.HOLDS: "hold", Verdict.PARTLY: "hold in part", Verdict.FAILS: "do not hold"}
    words[Verdict.NOT_RUN] = "were not run"
    return ", ".join(f"{counts[verdict]} {text}" for verdict, text in words.items() if counts[verdict])


def as_html(judged: list[Judged], folder: Path) -> str:
    """The claims, and below them each table with its picture."""
    sources = dict.fromkeys(one.claim.source for one in judged if (folder / f"{one.claim.source}.json").is_file())
    results = []
    for source in sources:
        png = folder / f"{source}.png"
        picture = page.embedded(png.read_bytes()) if png.is_file() else ""
        results.append((published.read(folder / f"{source}.json"), picture))
    return page.render("report.html", judged=judged, tally=tally(judged), colors=COLORS, results=results)


def as_markdown(judged: list[Judged]) -> str:
    """The claims, for a page."""
    lines = [["in the paper", "claim", "here", "what was seen here", "the paper's own numbers"], ["---"] * 5]
    lines += [[one.claim.place, one.claim.text, f"**{one.verdict}**", one.seen, one.printed] for one in judged]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
