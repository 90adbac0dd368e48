"""Files saved by earlier versions load and give the same numbers."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_repreg

FOLDER = Path(__file__).parent / "v0_1_0"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
DATA = np.load(FOLDER / "data.npz")
X, Y = DATA["x"], DATA["y"]


def inputs(name):
    return [X, Y] if name == "label_input" else X


@pytest.mark.parametrize("name", EXPECTED)
def test_models(name):
    model = keras.saving.load_model(FOLDER / f"{name}.keras")
    if name == "label_aware":  # earlier versions saved a plain model
        assert type(model) is keras.Sequential
        model = keras_repreg.label_aware(model)
    expected = EXPECTED[name]
    assert expected["penalty"].items() <= model.get_layer("penalty").get_config().items()
    np.testing.assert_allclose(model.predict(inputs(name), verbose=0)[:3], expected["predictions"], atol=1e-5)
    assert model.evaluate(inputs(name), Y, batch_size=24, verbose=0) == pytest.approx(expected["loss"], rel=1e-4)
    model.fit(inputs(name), Y, verbose=0)


def test_weights():
    model = keras.saving.load_model(FOLDER / "functional.keras")
    predictions = model.predict(X, verbose=0)
    model.set_weights([0 * weight for weight in model.get_weights()])
    model.load_weights(FOLDER / "functional.weights.h5")
    np.testing.assert_array_equal(model.predict(X, verbose=0), predictions)
