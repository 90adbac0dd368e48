"""The package as a whole: imports, public names and their documentation, and the version."""

import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import keras_repreg
from keras_repreg.backends import BACKENDS, advice

ROOT = Path(__file__).parents[1]
# Importing these fails as if they were not installed.
HIDDEN = """
import importlib.util, sys
hidden = {names!r}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in hidden else found(name, package)
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import keras, keras_repreg", "import keras_repreg, keras"])
def test_saved_models_load_with_any_import_order(imports, tmp_path):
    path = tmp_path / "model.keras"
    made = run(
        "import keras, keras_repreg\n"
        "model = keras_repreg.Sequential([keras.Input((3,)), keras_repreg.RankRegularization(0.1)])\n"
        f"model.save({str(path)!r})"
    )
    assert path.exists(), made.stderr
    loaded = run(f"{imports}\nprint(keras.saving.load_model({str(path)!r}).layers[-1].weight)")
    assert loaded.stdout.strip().endswith("0.1"), loaded.stderr


def test_command_line_imports_keras_only_when_needed():
    code = "import sys; sys.argv = ['keras-repreg', '--help']; sys.orig_argv = sys.argv; import keras_repreg.commands"
    done = run(f"{code}\nassert not {{'keras', 'tensorflow', 'jax', 'torch'}} & set(sys.modules), sorted(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_only_the_chosen_backend_is_imported():
    pytest.importorskip("jax")
    done = run(
        "import keras_repreg, sys; print(*{'tensorflow', 'jax', 'torch'} & set(sys.modules))", KERAS_BACKEND="jax"
    )
    assert done.stdout.split() == ["jax"], done


@pytest.mark.parametrize("name", keras_repreg.__all__)
def test_public_names_exist_and_are_documented(name):
    value = getattr(keras_repreg, name)
    assert (value.__doc__ or "").strip()
    assert name in dir(keras_repreg)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_repreg.nothing  # noqa: B018


def test_package_uses_only_the_public_interface_of_keras():
    folder = os.path.dirname(keras_repreg.__file__)
    for root, _, files in os.walk(folder):
        for file in files:
            if file.endswith(".py"):
                with open(os.path.join(root, file), encoding="utf-8") as source:
                    text = source.read()
                assert "keras.src" not in text, file
                backends = [name for name in ("tensorflow", "jax", "torch") if f"import {name}" in text]
                # `keras.ops` cannot gather from replicas, define derivatives for all modes, or set PyTorch's
                # precision and memory use.
                assert not backends or file in ("derivatives.py", "replicas.py", "seam.py"), file
                deep = ("_getframe", "currentframe", "f_locals", "__bases__", "inspect.stack")
                assert not any(word in text for word in deep), file


@pytest.mark.parametrize("name", ["characterize", "RankRegularization", "ion"])
def test_missing_backend_error_says_what_to_install(name):
    code = (
        HIDDEN.format(names=BACKENDS)
        + f"""
import keras_repreg
for _ in range(2):  # the second time half of Keras is there
    try:
        keras_repreg.{name}
    except ModuleNotFoundError as error:
        print(error)
"""
    )
    done = run(code, KERAS_BACKEND="tensorflow")
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.startswith(f"keras_repreg.{name}: Keras needs a backend, and none is installed: `pip install"), done
    assert first.endswith("Received: No module named 'tensorflow'")


def test_wrong_backend_error_says_what_to_set(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in ("jax", "torch") or None)
    said = advice(ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"))
    assert said.startswith("Keras is configured to use the backend tensorflow, which is not installed. ")
    assert "KERAS_BACKEND=jax" in said


def test_other_missing_modules_raise_unchanged_errors():
    assert advice(ModuleNotFoundError("No module named 'h5py'", name="h5py")) is None


def test_command_reports_missing_backend_in_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name in ("config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    (tmp_path / "test.csv").write_text("1,2")
    code = HIDDEN.format(names=BACKENDS) + "from keras_repreg.commands import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "measure", tmp_path / "model.keras", "--data", tmp_path / "test.csv"],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"keras-repreg: Keras needs a backend, and none is installed: .*\n", done.stderr), done.stderr


def test_the_version_is_the_same_everywhere():
    version = keras_repreg.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", version)
    assert metadata.version("keras-repreg") == version
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == version
    assert re.findall(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [version]


def test_code_in_the_package_description_runs():
    """That it has no relative links is checked with the distributions."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "DESCRIPTION.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(block, "DESCRIPTION.md", "exec"), {"__name__": "page"})
