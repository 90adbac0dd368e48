"""Check a release: content and metadata of the source distribution and the wheel.

Usage: python tests/check_dist.py DIST TREE

DIST contains the source distribution and the wheel built from it, TREE the wheel built from the working tree.
"""

import email
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Files added by setuptools.
ADDED = {"PKG-INFO", *(f"keras_repreg.egg-info/{name}" for name in (
    "PKG-INFO", "SOURCES.txt", "dependency_links.txt", "entry_points.txt", "requires.txt", "top_level.txt",
))}  # fmt: skip


def main(dist: str, tree: str) -> None:
    (sdist,) = Path(dist).glob("*.tar.gz")
    (wheel,) = Path(dist).glob("*.whl")
    (other,) = Path(tree).glob("*.whl")
    source, built = read_sdist(sdist), read_wheel(wheel)
    check_source(source)
    check_wheel(built, source)
    differ = sorted(name for name, content in read_wheel(other).items() ^ built.items())
    assert not differ, f"the wheel from the source distribution and the one from the tree differ in {differ}"
    check_metadata(next(content for name, content in built.items() if name.endswith("/METADATA")).decode())
    check_import(wheel)
    print(f"{sdist.name}: {len(source)} files; {wheel.name}: {len(built)} files, imports by itself")


def read_sdist(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        return {file.name.partition("/")[2]: archive.extractfile(file).read() for file in files}


def read_wheel(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check_source(source: dict[str, bytes]) -> None:
    """Check that it contains the files tracked by git, unchanged, and those added by setuptools."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    assert set(source) - ADDED == tracked, f"stray or missing: {sorted((set(source) - ADDED) ^ tracked)}"
    # Setuptools adds a section to setup.cfg.
    changed = [name for name in tracked - {"setup.cfg"} if source[name] != (ROOT / name).read_bytes()]
    assert not changed, f"other than in the tree: {changed}"


def check_wheel(built: dict[str, bytes], source: dict[str, bytes]) -> None:
    """Check that it contains only the package, its metadata and the licence."""
    package = {name: content for name, content in source.items() if name.startswith("keras_repreg/")}
    rest = {name.split("/", 1)[1] for name in set(built) - set(package)}
    assert rest == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}, rest
    assert {name: built.get(name) for name in package} == package
    assert "keras_repreg/py.typed" in package


def check_metadata(text: str) -> None:
    metadata = email.message_from_string(text)
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "keras_repreg" / "__init__.py").read_text(), re.MULTILINE)[1]
    assert (metadata["Name"], metadata["Version"]) == ("keras-repreg", version)
    assert metadata["License-Expression"] == "MIT"
    # Requirements for development are in dependency groups, not extras.
    expected = {"ion", "jax", "plots", "tensorflow", "tensorflow-cpu", "torch", "tuner"}
    assert set(metadata.get_all("Provides-Extra")) == expected
    assert metadata["Description-Content-Type"] == "text/markdown"
    # Links relative to the repository do not work on a package index.
    relative = [link for link in re.findall(r"\]\(([^)#]+)\)", metadata.get_payload()) if "://" not in link]
    assert not relative, f"the description has links that only the repository has: {relative}"


def check_import(wheel: Path) -> None:
    """Check that the installed package is imported, and that its error without Keras names what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
        code = "import importlib.util; print(importlib.util.find_spec('keras_repreg').origin)"
        found = subprocess.run(
            [python, "-I", "-c", code], check=True, cwd=folder, capture_output=True, text=True
        ).stdout
        assert folder in found, found
        done = subprocess.run([python, "-I", "-c", "import keras_repreg"], cwd=folder, capture_output=True, text=True)
        assert done.stderr.strip().endswith("ModuleNotFoundError: No module named 'keras'"), done.stderr


if __name__ == "__main__":
    main(*sys.argv[1:])
