"""Compare the results with the paper: for each claim, whether it holds here, what was observed, and how certain it is.

Reads the results that the other commands wrote to the folder, or with `--out benchmarks/results` those kept in the
repository. `python docs/tables.py` then inserts the tables into the documentation.
"""

import argparse
from pathlib import Path

from benchmarks import claims, command
from benchmarks.claims import Judged, Verdict, correlations, judging
from benchmarks.claims import page as claims_page
from benchmarks.tables import page, published

HELP = "one page with each claim of the paper and whether it holds here"
COLORS = {Verdict.HOLDS: "holds", Verdict.PARTLY: "in-part", Verdict.FAILS: "not", Verdict.NOT_RUN: "not-run"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=Path, default=command.DEFAULT_OUT, help="folder with the results (default runs)")
    parser.add_argument(
        "--draws", type=command.positive, default=None, help="random tables per null (default: each null has its own)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Judge the claims, and print and write the verdicts."""
    folder: Path = arguments.out
    if not any(folder.glob("*.json")):
        raise ValueError(f"Expected a folder with results, such as those written by `table6`. Received: {folder}")
    judged = claims.judge(folder, draws=arguments.draws)
    for one in judged:
        print(f"{one.verdict:<14} {one.claim.place}: {one.claim.text}\n{'':<15}{one.seen or 'no results'}")
    print(f"\n{claims.tally(judged)}")
    contents = {
        "report.html": as_html(judged, folder),
        "report.md": claims_page.verdicts(judged),
        "claims_changes.md": claims_page.changes(judged),
        "claims_count.md": claims_page.count(judged),
        "claims_identities.md": claims_page.identities(),
        "claims_rates.csv": judging.rates_as_csv(judged),
        "correlations.md": correlations.as_markdown(folder),
    }
    written = [command.write(folder / name, text) for name, text in contents.items() if text]
    print(f"Written: {', '.join(map(str, written))}")
    return 0


def as_html(judged: list[Judged], folder: Path) -> str:
    """Return a page with the claims, followed by each table and its picture."""
    sources = [source for one in judged for source in one.claim.tables if (folder / f"{source}.json").is_file()]
    results = []
    for source in dict.fromkeys(sources):
        png = folder / f"{source}.png"
        picture = page.embedded(png.read_bytes()) if png.is_file() else ""
        results.append((published.read(folder / f"{source}.json"), picture))
    return page.render(
        "report.html",
        judged=judged,
        tally=claims.tally(judged),
        colors=COLORS,
        rates=claims_page.rates,
        results=results,
    )
