"""A model from a file, with no code out of it."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras

import keras_repreg.labels
import keras_repreg.layers  # noqa: F401 - both register what a file may hold
from keras_repreg.commands.refusal import Refusal


def load_model(path: Path) -> Any:
    """The model in a .keras file.

    Raises:
        Refusal: if there is none, or it holds code, or layers that are not Keras's or this package's.
    """
    if not path.exists():
        raise Refusal(f"{path} does not exist, a .keras file is expected")
    # Of older formats Keras cannot tell that they hold no code.
    if not path.is_file() or path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise Refusal(f"{path} is not a .keras file, as `model.save('name.keras')` writes it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a damaged file makes Keras raise
        raise Refusal(f"{path} cannot be loaded: {_first_sentence(error)}") from error
    if not isinstance(model, keras.Model):
        raise Refusal(f"{path} holds a {type(model).__name__}, a model is expected")
    return model


def _first_sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:300]
