"""The command line."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_help_lists_the_experiments_in_the_papers_order_and_nothing_else_is_printed():
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stderr == ""
    lines = re.findall(r"^ {4}(\w+) +(.*)", found.stdout, re.MULTILINE)
    paper = [name for name, _ in lines if name.startswith(("table", "figure"))]
    assert paper == [
        "figure1", "table2", "table3", "figure2", "figure3", "figure4", "table4", "table6", "table8", "table9",
    ]  # fmt: skip
    assert [name for name, _ in lines][: len(paper) + 1] == [*paper, "all"]
    places = [text.split(":")[0].split(",")[0] for name, text in lines if name in paper]
    assert places == sorted(places, key=lambda place: (place.startswith("Appendix"), place))
