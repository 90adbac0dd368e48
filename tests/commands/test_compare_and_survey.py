"""`keras-repreg compare` and `keras-repreg survey`."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion, similarity
from keras_repreg.commands import main
from tests.commands.cases import arrays


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two models of the same inputs, and data."""
    path = tmp_path_factory.mktemp("pair")
    keras.utils.set_random_seed(0)
    for name, width in (("a", 8), ("b", 6)):
        inner = [layers.Dense(width, activation="relu", name="first"), layers.Dense(4, name="second\x1b[31m")]
        keras.Sequential([keras.Input((5,)), *inner, layers.Dense(3, name="logits")]).save(path / f"{name}.keras")
    np.savez(path / "data.npz", x=arrays()[0], y=arrays()[1])
    return path


def models(pair):
    return [keras.saving.load_model(pair / f"{name}.keras") for name in "ab"]


@pytest.mark.parametrize("measure", ["cka", "cca", "procrustes"])
def test_compare(measure, pair, tmp_path, capsys):
    arguments = ["compare", str(pair / "a.keras"), str(pair / "b.keras"), "--data", str(pair / "data.npz")]
    arguments += ["--measure", measure]
    expected = similarity.compare(*models(pair), arrays()[0], measure=measure)
    assert main([*arguments, "--csv", str(tmp_path / "table.csv")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.replace("\n", "").isprintable()
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.reader(file))
    np.testing.assert_allclose(np.array([row[1:] for row in rows[1:]], float), expected.matrix, rtol=1e-5)
    assert main([*arguments, "--json", "--layers", "first", "--layers-b", "logits"]) == 0
    found = json.loads(capsys.readouterr().out)["layers"]
    wanted = similarity.compare(*models(pair), arrays()[0], "first", layers_b="logits", measure=measure)
    assert found["first"]["logits"] == pytest.approx(wanted["first"]["logits"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layers", "frist"], "similar names: 'first'"),
        (["--layers", "first", "--layers-b", "sceond"], "no layer 'sceond'"),
        (["--batch-size", "2"], "at least 4 samples"),
        (["--memory-share", "1e-12"], "of memory needed"),
    ],
)
def test_compare_rejects_invalid_arguments(options, words, pair, capsys):
    arguments = ["compare", str(pair / "a.keras"), str(pair / "b.keras"), "--data", str(pair / "data.npz")]
    assert main([*arguments, *options]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_models_with_different_inputs_are_rejected(pair, tmp_path, capsys):
    keras.Sequential([keras.Input((7,)), layers.Dense(2, name="first"), layers.Dense(2)]).save(tmp_path / "c.keras")
    for order in (["a", "c"], ["c", "a"]):
        paths = [str((tmp_path if name == "c" else pair) / f"{name}.keras") for name in order]
        assert main(["compare", *paths, "--data", str(pair / "data.npz")]) == 2
        assert "takes inputs of shape (N, 7)" in capsys.readouterr().err


def test_survey(pair, capsys):
    expected = ion.survey(models(pair)[0], print_fn=None)
    assert main(["survey", str(pair / "a.keras")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.replace("\n", "").isprintable()
    assert out.startswith(f"{expected[0]}\n")
    assert main(["survey", str(pair / "a.keras"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["functions"] for row in found] == [list(row.functions) for row in expected]
    assert main(["survey", "nowhere.keras"]) == 2
