"""Insert generated tables and whole files into the Markdown pages, between two marks.

A page that should show a file names it in a mark of its own line:

    <!-- begin: benchmarks/results/table6.md -->
    <!-- end: benchmarks/results/table6.md -->

On every page, `python docs/tables.py` writes the file's current content between the two lines, so a page is complete
wherever its Markdown is shown. `python docs/tables.py --check` changes nothing and fails if a page is stale.

Markdown is included as it is, any other file as a block of code. `path:name` includes the part of a file between a line
that contains `[start:name]` and one that contains `[end:name]`. Paths are relative to the root of the repository.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"<!-- (?P<kind>begin|end): (?P<name>(?P<path>[^\s:]+)(?::(?P<part>[\w-]+))?) -->")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
LANGUAGES = {".py": "py", ".sh": "bash", ".toml": "toml", ".yml": "yaml", ".json": "json", ".txt": "text"}


def pages(root: Path = ROOT) -> list[Path]:
    """Return the README and every page of the documentation."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def rewrite(text: str, root: Path = ROOT) -> str:
    """Return a page's text with the current content of every named file between its marks.

    Marks inside a block of code are text and stay as they are.

    Raises:
        ValueError: if a mark has no end, an end has no mark, or a named file or part does not exist.
    """
    lines: list[str] = []
    fence, begun = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = MARK.fullmatch(line.strip())
        if begun and not mark:
            continue
        if found := FENCE.match(line):
            fence = "" if fence and found[1].startswith(fence) else fence or found[1]
        lines.append(line)
        if not mark or fence:
            continue
        expected = f"<!-- end: {begun} -->" if begun else "<!-- begin: ... -->"
        if begun != (mark["name"] if mark["kind"] == "end" else ""):
            raise ValueError(f"Expected {expected}. Received: {line.strip()} in line {number}")
        begun = mark["name"] if mark["kind"] == "begin" else ""
        if begun:
            lines += content(root, mark["path"], mark["part"])
    if begun:
        raise ValueError(f"Expected <!-- end: {begun} --> before the end of the page. Received: none")
    return "\n".join(lines) + "\n"


def content(root: Path, name: str, part: str | None = None) -> list[str]:
    """Return the lines that a page shows for a file or a part of it."""
    path = root / name
    if not path.is_file():
        raise ValueError(f"Expected a file of the repository. Received: {name}")
    lines = path.read_text(encoding="utf-8").strip("\n").splitlines()
    if part:
        ends = [i for i, line in enumerate(lines) for end in ("start", "end") if f"[{end}:{part}]" in line]
        if len(ends) != 2:
            raise ValueError(f"Expected a part between [start:{part}] and [end:{part}] in {name}. Received: none")
        lines = textwrap.dedent("\n".join(lines[ends[0] + 1 : ends[1]])).strip("\n").splitlines()
    if path.suffix == ".md":
        return ["", *lines, ""]
    return ["", f"```{LANGUAGES.get(path.suffix, '')}", *lines, "```", ""]


def stale(paths: Iterable[Path], root: Path = ROOT) -> dict[Path, str]:
    """Return the stale pages, each with its current text."""
    found = {}
    for path in paths:
        before = path.read_text(encoding="utf-8")
        try:
            after = rewrite(before, root)
        except ValueError as error:
            raise ValueError(f"{path.relative_to(root)}: {error}") from None
        if after != before:
            found[path] = after
    return found


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite the stale pages, or with `--check` only name them.

    Returns:
        The exit status: 1 if a page is stale and `--check` was given, 2 if a mark is wrong, otherwise 0.
    """
    parser = argparse.ArgumentParser(description="Put generated tables into the pages that name them.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is stale")
    check = parser.parse_args(arguments).check
    try:
        found = stale(pages(root), root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in found.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(root)} {'is stale: run python docs/tables.py' if check else 'was rewritten'}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
