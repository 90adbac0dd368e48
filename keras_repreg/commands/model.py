"""Load a model from a file without running code from it: first its shapes and, if they are valid, its weights."""

import contextlib
import json
import math
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras

import keras_repreg.models  # noqa: F401 - registers what a file may hold, as the layers do
from keras_repreg import graph
from keras_repreg.commands import memory
from keras_repreg.commands.archive import check_archive, read_config
from keras_repreg.commands.config import check_config
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.weights import check_weights
from keras_repreg.layers.classwise import ClasswiseRegularization


class ModelFile:
    """A .keras file.

    Args:
        path: The path of the file.

    Attributes:
        shapes: The model without values of its variables, which takes no memory, or None if it cannot be built this
            way.

    Raises:
        Refusal: if there is no such file, it contains code, or it does not fit into memory.
    """

    def __init__(self, path: Path):
        check_archive(path)
        self.path = path
        self._config = read_config(path)
        check_config(self._config, path)
        self.shapes = self._without_values()
        if self.shapes is not None:
            memory.check(self.weight_bytes, f"the weights of {path}")

    @property
    def weight_bytes(self) -> int:
        """Return the memory of the weights, if known."""
        # In float32, once in the file and once in the model.
        return sum(8 * _numbers(variable) for variable in self._variables())

    def load(self) -> Any:
        """Return the model.

        Raises:
            Refusal: if the weights do not match the model, or the file is damaged.
        """
        variables = self._variables()
        check_weights(self.path, max(map(_numbers, variables)) if variables else None)
        try:
            with _without_warnings():
                model = keras.saving.load_model(self.path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises many errors for damaged files
            raise Refusal(f"{self.path} cannot be loaded: {cause(error)}") from error
        if not isinstance(model, keras.Model):
            raise Refusal(f"{self.path} contains a {type(model).__name__}; expected a model")
        return _with_optional_labels(model)

    def _variables(self) -> list[Any]:
        return [] if self.shapes is None else self.shapes.variables

    def _without_values(self) -> Any:
        """Return the model of the configuration, with variables that have no values."""
        # Optimizers, including those of nested models, are built from values.
        config = json.loads(json.dumps(self._config), object_hook=_uncompiled)

        def build() -> Any:
            # In a separate thread, because Keras keeps a list per thread of variables without a value.
            with keras.StatelessScope(initialize_variables=False):
                return keras.saving.deserialize_keras_object(config, safe_mode=True)

        with _without_warnings(), ThreadPoolExecutor(1) as thread:
            try:
                model = thread.submit(build).result()
            except Exception:  # Loading reports any error; some layers cannot be built without values.
                return None
        return _with_optional_labels(model) if isinstance(model, keras.Model) else None


def _with_optional_labels(model: keras.Model) -> keras.Model:
    """Return the model with optional label inputs, which only penalties read, and only in training.

    Keras 3.11 does not save that an input is optional.
    """
    found = graph.of(model)
    if found is None:
        return model
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer) or not str(layer.dtype).startswith(("int", "uint")):
            continue
        consumers = found.consumers(layer) if found.has(layer) and not found.is_output(layer) else []
        if consumers and all(isinstance(consumer, ClasswiseRegularization) for consumer in consumers):
            layer.optional = True
    return model


def packed(model: Any, x: list[Any]) -> Any:
    """Return arrays, one per input, in the structure that the model takes."""
    if len(x) == 1:
        return x[0]
    return keras.tree.pack_sequence_as(model.input, x)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _uncompiled(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "compile_config"}


def _numbers(variable: Any) -> int:
    return math.prod(variable.shape)


def cause(error: BaseException) -> str:
    """Return the first sentence of the innermost reason in a Keras error."""
    text = str(error) or type(error).__name__
    text = text.rsplit("Exception encountered: ", 1)[-1]
    example = re.search(r"Example error message for object (.*?):\s+(.*?)(?:\n\s*List of objects|\Z)", text, re.DOTALL)
    if example:
        text = f"{example[1]}: {example[2]}"
    return re.split(r"\. (?=[A-Z])", " ".join(text.split()))[0][:300]
