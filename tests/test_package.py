"""The package as a whole: what importing it costs, and that every public name is there and documented."""

import os
import subprocess
import sys

import pytest

import keras_repreg


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_importing_the_package_imports_no_backend():
    done = run(
        "import keras_repreg, sys\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_saved_layers_load_after_a_plain_import(tmp_path):
    path = tmp_path / "model.keras"
    made = run(
        "import sys, keras, keras_repreg\n"
        "model = keras.Sequential([keras.Input((3,)), keras_repreg.RankRegularization(0.1)])\n"
        f"model.save({str(path)!r})"
    )
    assert path.exists(), made.stderr
    loaded = run(f"import keras, keras_repreg\nprint(keras.saving.load_model({str(path)!r}).layers[-1].weight)")
    assert loaded.stdout.strip().endswith("0.1"), loaded.stderr


@pytest.mark.parametrize("name", keras_repreg.__all__)
def test_public_names_exist_and_are_documented(name):
    value = getattr(keras_repreg, name)
    assert (value.__doc__ or "").strip()
    assert name in dir(keras_repreg)


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_repreg.nothing  # noqa: B018


def test_the_package_keeps_to_keras_public_interface():
    folder = os.path.dirname(keras_repreg.__file__)
    for root, _, files in os.walk(folder):
        for file in files:
            if file.endswith(".py"):
                with open(os.path.join(root, file), encoding="utf-8") as source:
                    text = source.read()
                assert "keras.src" not in text, file
                backends = [name for name in ("tensorflow", "jax", "torch") if f"import {name}" in text]
                # `keras.ops` cannot gather from replicas.
                assert not backends or file == "replicas.py", file
