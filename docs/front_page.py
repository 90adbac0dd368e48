"""Write the short Table 6 of the README, `benchmarks/results/table6_brief.md`: seven rows, targeted cells in bold.

`python docs/front_page.py`, then `python docs/tables.py`.
"""

from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
# The rows to show, each with the column that its regularizer targets.
TARGETS = {
    "Baseline": "",
    "Dropout": "",
    "BN": "",
    "CR": "covariance",
    "cw-CR": "covariance",
    "L1R": "sparsity",
    "RR": "stable rank",
}


def brief(table: str) -> str:
    """Return the rows of Table 6, in Markdown, that the README shows."""
    header, rule, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
    kept = [header, rule]
    for row in rows:
        if row[0] in TARGETS:
            cells = zip(header, row, strict=True)
            kept.append([f"**{cell}**" if column and column == TARGETS[row[0]] else cell for column, cell in cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in kept)


if __name__ == "__main__":
    text = brief((RESULTS / "table6_by_validation.md").read_text(encoding="utf-8"))
    (RESULTS / "table6_brief.md").write_text(text, encoding="utf-8")
