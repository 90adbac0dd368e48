"""Checks a built wheel: it holds the package and nothing else, and imports in an environment with nothing else.

Usage: python tests/check_wheel.py dist/NAME.whl
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    expected = {"keras_repreg", next(top for top in tops if top.endswith(".dist-info"))}
    assert tops == expected, f"the wheel holds {sorted(tops)}"
    assert "keras_repreg/py.typed" in names, "py.typed is missing"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
        code = "import keras_repreg; print(keras_repreg.__version__, keras_repreg.__file__)"
        subprocess.run([python, "-I", "-c", code], check=True, cwd=folder)
    print(f"{Path(wheel).name}: {len(names)} files, imports by itself")


if __name__ == "__main__":
    main(sys.argv[1])
