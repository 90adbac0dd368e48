"""Unidiomatic phrases do not reappear in pages, docstrings, comments and messages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THINGS = "layer|core|unit|class|characteristic|network|epoch|model|seed|regularizer"
# Each phrase, and its replacement.
PHRASES = {
    r"\bshall\b": "must, should, will",
    r"\banew\b": "again",
    r"\bsenseless\b": "invalid",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\berrs\b": "has an error of",
    r"\b(is|are|was|were) worked off\b": "is processed",
    r"\bhangs? on\b": "depends on",
    r"\b(is|are) told by\b": "follows from",
    r"\b(is|are|was|were|been) had by\b": "has, was computed by",
    r"\bthree[ _]doors\b": "three ways",
    r"\bso-many-th\b": "every n",
    r"\bmeans harm\b": "is malicious",
    rf"\b(line|row|panel|process|curve|picture|file|test) an? (\w+ )?({THINGS})\b": "one line per layer",
    r"\bbehind (a|an|each|every|its|the) (\w+ )?(layer|activation|ReLU)\b": "after",
    r"\bNot as in the paper:": "Differences from the paper:",
    r"\bas \S+ has it\b": "as in",
    r"\btake it rather\b": "choose it instead",
    r"\bcorrelates? with \w+( \w+)? by\b": "has a correlation of",
    r"\bor else its\b": "otherwise its",
    r"\bis there already\b": "exists",
    r"\bat most so many\b": "the largest number",
    r"\ball else is there\b": "the base class provides",
    r"\bclass shares\b": "class probabilities",
    r"\bwhere the data is not batched already\b": "if the data is not batched already",
    r"\bthat another accumulator has seen\b": "of another accumulator",
    r"\bfor checks, not for speed\b": "slow, meant for checks",
    r"\bcannot be told\b": "is unknown",
    r"\bnot of as many samples\b": "the numbers of samples differ",
    r"\bare looked through\b": "are skipped",
    r"\bhand(s|ed)? on\b": "pass on",
    r"\bcosts? (no |few )?digits\b": "costs precision",
    r"\band (its|their) kin\b": "and related ones",
    r"\bthe most (samples|bytes|units|values|exponents|pixels)\b": "the maximum number of",
    r"\b(is|are) no (bool|integer)\b": "is not a bool",
    r"\bthreads? a process\b": "one thread per process",
}
# Quotations and this list are exempt.
EXCEPT = {"tests/test_prose.py"}
FILES = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "DESCRIPTION.md", "Makefile", "setup.cfg", "pyproject.toml")
    ),
    *(path for folder in ("docs", "keras_repreg", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")),
    *(ROOT / "docs").rglob("*.md"),
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_discouraged_phrases_are_not_used(phrase):
    pattern = re.compile(phrase, re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if str(path.relative_to(ROOT)) not in EXCEPT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join([f"write {PHRASES[phrase]!r}:", *found])
