"""Mutation testing of the core: random mutants should fail a test.

    python -m tests.mutants            # 200 mutants with the fixed seed, on all cores
    python -m tests.mutants 20 --seed 1 --only keras_repreg/ion

Each mutant changes one node of one module (a comparison, an operator, a constant, a condition, a statement) in a copy
of the repository and runs the tests of that module until the first failure. Survivors are printed with their line.
Mutants that change no behaviour are listed with the reason in `equivalent_mutants.txt` and do not count. Module
constants, such as sizes that select an algorithm, are not mutated, because they do not affect results.
"""

import argparse
import ast
import concurrent.futures
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
# The modules of the core, and their tests.
CORE = {
    "keras_repreg/labels.py": [
        "test_labels.py",
        "characteristics/test_measure.py",
        "layers/test_soft_labels.py",
        "layers/test_values.py",
    ],
    "keras_repreg/label_checks.py": ["test_labels.py", "test_models.py"],
    "keras_repreg/batch_statistics.py": [
        "test_batch_statistics.py",
        "layers/test_values.py",
        "layers/test_degenerate.py",
    ],
    "keras_repreg/exact_products.py": ["test_exact_products.py", "classes"],
    "keras_repreg/power_iteration.py": [
        "test_power_iteration.py",
        "layers/test_values.py",
        "layers/test_degenerate.py",
    ],
    "keras_repreg/classes": ["classes", "layers/test_values.py", "layers/test_degenerate.py"],
    "keras_repreg/layers": ["layers/test_values.py", "layers"],
    "keras_repreg/characteristics": ["characteristics"],
    "keras_repreg/information": ["information"],
    "keras_repreg/similarity": ["similarity"],
    "keras_repreg/ion": ["ion"],
}
# A test that takes longer than the first, and all tests of a module longer than the second, has found an endless loop.
SECONDS_PER_TEST, SECONDS = 150, 1500
NOT_COPIED = shutil.ignore_patterns(".*", "site", "build", "dist", "runs", "__pycache__")


class Mutant(NamedTuple):
    """One change: the module, the line and its text, the original code and its replacement."""

    path: str
    line: int
    text: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """The change as in `equivalent_mutants.txt`, without the line number, which may change."""
        return f"{self.path}: {self.text}: {self.before} -> {self.after}"


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the replacements of a node."""
    swaps: dict[type, type] = {
        ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
        ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
        ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
        ast.Pow: ast.Mult,
    }  # fmt: skip
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in swaps:
            changed = copy.deepcopy(node)
            changed.ops[0] = swaps[type(operator)]()
            yield changed
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in swaps:
            changed = copy.deepcopy(node)
            changed.op = swaps[type(operator)]()
            yield changed
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(value * 2 if value else 1.0)
        case ast.If() | ast.IfExp():
            for value in (True, False):
                changed = copy.deepcopy(node)
                changed.test = ast.Constant(value)
                yield changed
        case ast.Raise() | ast.Assert() | ast.AugAssign():
            yield ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def mutants(path: Path) -> list[Mutant]:
    """Return every mutant of a module."""
    original = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(original), original.splitlines()
    found = []
    for parent, field, index, node in _children(tree):
        for after in replacements(node):
            _put(parent, field, index, ast.copy_location(after, node))
            source = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, field, index, node)
            texts = [ast.unparse(one).splitlines()[0] for one in (node, after)]
            line = node.lineno
            found.append(Mutant(str(path.relative_to(ROOT)), line, lines[line - 1].strip(), *texts, source))
    return found


def _children(parent: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield all executable nodes with their location, except annotations and error messages."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns") or isinstance(parent, ast.Raise | ast.JoinedStr):
            continue
        if isinstance(parent, ast.If) and ast.unparse(parent.test) == "TYPE_CHECKING":
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(parent, ast.Module) and isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            if isinstance(node, ast.AST):
                yield parent, field, index, node
                yield from _children(node)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def tests_of(path: str) -> list[str]:
    """Return the tests of a module, fastest first."""
    found = next(tests for prefix, tests in CORE.items() if path.startswith(prefix))
    return [path, *(f"tests/{test}" for test in found)]


def modules() -> list[str]:
    """Return the modules of the core, sorted."""
    places = [ROOT / prefix for prefix in CORE]
    paths = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def survives(mutant: Mutant, checkout: Path) -> bool:
    """Return whether the mutant's tests pass in `checkout`, a copy of the repository."""
    place = checkout / mutant.path
    original = place.read_text(encoding="utf-8")
    place.write_text(mutant.source, encoding="utf-8")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-o", f"faulthandler_timeout={SECONDS_PER_TEST}"]
    command = [sys.executable, "-m", "pytest", *options, *tests_of(mutant.path)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        ended = subprocess.run(command, cwd=checkout, env=environment, timeout=SECONDS, check=False, **quiet)
        return ended.returncode == 0
    except subprocess.TimeoutExpired:
        print(f"timed out: {mutant.path}:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
        return False
    finally:
        place.write_text(original, encoding="utf-8")


def known_equivalents() -> set[str]:
    """Return the mutants that change no behaviour, from the file; its indented lines give the reasons."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []
    return {line for line in lines if line and not line.startswith((" ", "#"))}


def main() -> int:
    """Draw mutants, run them, and return 1 if fewer than 95% of those that change behaviour are killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="keras_repreg", help="mutate only modules whose path starts with this")
    options = parser.parse_args()
    every = [mutant for path in modules() if path.startswith(options.only) for mutant in mutants(ROOT / path)]
    chosen = random.Random(options.seed).sample(every, min(options.count, len(every)))
    equivalent = known_equivalents()
    chosen = [mutant for mutant in chosen if mutant.name not in equivalent]
    with tempfile.TemporaryDirectory() as folder:
        checkouts = [Path(folder) / str(number) for number in range(options.jobs)]
        for checkout in checkouts:
            shutil.copytree(ROOT, checkout, ignore=NOT_COPIED)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            free = list(checkouts)

            def try_one(mutant: Mutant) -> bool:
                checkout = free.pop()
                try:
                    return survives(mutant, checkout)
                finally:
                    free.append(checkout)

            alive = []
            for mutant, lived in zip(chosen, pool.map(try_one, chosen), strict=True):
                if lived:
                    alive.append(mutant)
                    print(f"survived: {mutant.path}:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
    killed = len(chosen) - len(alive)
    print(f"{killed} of {len(chosen)} mutants killed, {killed / max(1, len(chosen)):.1%}; {len(every)} possible")
    return 0 if killed >= 0.95 * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
