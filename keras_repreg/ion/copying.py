"""Copy models by saving and loading them, to keep state other than weights."""

import contextlib
import tempfile
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_repreg import graph
from keras_repreg.arrays import to_numpy
from keras_repreg.models import is_label_aware, label_aware


def copied(model: keras.Model) -> keras.Model:
    """Return a copy of the model with its weights, other state such as vocabularies, compilation and optimizer state.

    Raises:
        ValueError: if the model cannot be saved and loaded.
    """
    custom = custom_objects(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = _through_a_file(model, custom) or _through_its_configuration(model)
    if model.compiled and not copy.compiled:
        _warn_not_compiled(model)
    return alike(copy, model)


def _through_a_file(model: keras.Model, custom: dict[str, Any]) -> keras.Model | None:
    """Return a copy by saving and loading, or None if a layer or a loss raises any error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        for compiled in (True, False):
            with contextlib.suppress(Exception):
                if not file.exists():
                    model.save(file)
                # The file is trusted: the model already runs the code in its Lambda layers.
                return keras.saving.load_model(file, custom_objects=custom, compile=compiled, safe_mode=False)
    return None


def _through_its_configuration(model: keras.Model) -> keras.Model:
    """Return an uncompiled copy whose layers are copied one by one."""
    try:
        copy = rebuilt(model, configuration(model))
        for layer, source in counterparts(copy, model):
            carry_state(layer, source)
    except Exception as error:  # a layer may raise any error
        raise ValueError(
            "Expected a model that can be copied by saving and loading it; register custom classes with "
            f"`keras.saving.register_keras_serializable`. Received: {' '.join(str(error).split())[:300]}"
        ) from error
    return copy


def configuration(model: keras.Model) -> dict[str, Any]:
    """Return a copy of the model's configuration."""
    with warnings.catch_warnings():
        # Keras warns about functions that cannot be saved, but this configuration is not saved.
        warnings.simplefilter("ignore")
        return deepcopy(model.get_config())


def rebuilt(model: keras.Model, config: dict[str, Any]) -> keras.Model:
    """Return an uncompiled model of the same class from a configuration, with new weights.

    Raises:
        ValueError: if a layer cannot be created from its configuration.
    """
    serialized = {"module": None, "class_name": "rebuilt", "registered_name": "rebuilt", "config": config}
    objects = {**custom_objects(model), "rebuilt": type(model)}
    try:
        # The configuration is trusted: the model already runs the code in its Lambda layers.
        return keras.saving.deserialize_keras_object(serialized, objects, safe_mode=False)
    except Exception as error:  # a layer may raise any error
        cause = error.__cause__ or error
        raise ValueError(
            "Expected layers that can be created from their configurations; register custom classes with "
            f"`keras.saving.register_keras_serializable`. Received: {' '.join(str(cause).split())[-300:]}"
        ) from error


def counterparts(copy: keras.Model, model: keras.Model) -> list[tuple[Any, Any]]:
    """Return pairs of layers of a rebuilt model and the original, without new layers.

    A layer whose configuration has no name gets a different name; such layers are paired in order.
    """
    names = {layer.name for layer in copy.layers}
    own = {layer.name: layer for layer in model.layers}
    renamed = [layer for layer in model.layers if layer.name not in names]
    pairs = []
    for layer in copy.layers:
        source = own.get(layer.name) or next((each for each in renamed if type(each) is type(layer)), None)
        if source is not None:
            pairs.append((layer, source))
            renamed = [each for each in renamed if each is not source]
    return pairs


def _warn_not_compiled(model: keras.Model) -> None:
    warnings.warn(
        f"The copy of '{model.name}' is not compiled: its loss, metrics or optimizer cannot be saved.", stacklevel=4
    )


def alike(copy: keras.Model, model: keras.Model) -> keras.Model:
    """Make the copy label aware and run eagerly if the model is, and return it."""
    if copy.compiled:
        copy.run_eagerly = model.run_eagerly
    if not is_label_aware(model):
        return copy
    return label_aware(copy)


def compiled_alike(copy: keras.Model, model: keras.Model) -> keras.Model:
    """Compile a model like another one, with a new optimizer of the same configuration."""
    if model.compiled and not copy.compiled:
        try:
            with keras.saving.custom_object_scope(custom_objects(model)):
                copy.compile_from_config(model.get_compile_config())
        except Exception:  # creating a loss or metric from its configuration may raise any error
            pass
        if not copy.compiled:
            _warn_not_compiled(model)
    return alike(copy, model)


def carry_state(layer: Any, source: Any, weights: list[Any] | None = None) -> None:
    """Copy the weights of another layer, and other state such as vocabularies, to a layer.

    Args:
        layer: The layer.
        source: The layer to copy from.
        weights: Weights to set instead of those of `source`.
    """
    layer.set_weights(source.get_weights() if weights is None else weights)
    pairs = [(layer, source)]
    if isinstance(source, keras.Model):
        pairs += list(zip(graph.all_layers(layer), graph.all_layers(source), strict=True))
    for target, origin in pairs:
        if isinstance(origin, keras.Model):
            continue
        if weights is None:
            store: dict[str, Any] = {}
            origin.save_own_variables(store)
            if store:
                # Copies, because on JAX a step donates the arrays of its model, so two models must not share them.
                target.load_own_variables({name: np.array(to_numpy(value)) for name, value in store.items()})
        if hasattr(origin, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                origin.save_assets(folder)
                target.load_assets(folder)


def custom_objects(model: keras.Model) -> dict[str, Any]:
    """Return the classes and functions of the model that Keras would not find by name."""
    objects: dict[str, Any] = {}
    for each in [model, *graph.all_layers(model), *getattr(model, "metrics", [])]:
        objects[type(each).__name__] = type(each)
        activation = getattr(each, "activation", None)
        if activation is not None and hasattr(activation, "__name__"):
            objects[activation.__name__] = activation
    loss = getattr(model, "loss", None)
    for each in keras.tree.flatten(loss):
        if callable(each):
            objects[getattr(each, "__name__", type(each).__name__)] = each if hasattr(each, "__name__") else type(each)
    if getattr(model, "optimizer", None) is not None:
        objects[type(model.optimizer).__name__] = type(model.optimizer)
    return {name: each for name, each in objects.items() if _unknown(each)}


def _unknown(each: Any) -> bool:
    """Return whether Keras would not find a class or function without help."""
    registered = keras.saving.get_registered_name(each) != getattr(each, "__name__", None)
    return not registered and not str(getattr(each, "__module__", "")).startswith("keras.")
