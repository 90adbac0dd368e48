"""Fixtures for the command line."""

import keras
import matplotlib
import numpy as np
import pytest
from keras import layers

import keras_repreg
from tests.commands.cases import arrays

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Unset the terminal width, which would otherwise count as that of a terminal."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a directory with a model and its data."""
    path = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", name="first"),
            keras_repreg.ClasswiseVarianceRegularization(0.1),
            layers.Dense(6, name="<second>"),
            layers.Dense(3, name="logits"),
        ]
    )
    model.save(path / "model.keras")
    x, y = arrays()
    np.savez(path / "data.npz", x=x, y=y)
    return path
