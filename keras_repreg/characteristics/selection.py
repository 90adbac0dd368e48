"""Select the layers to measure."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.activations import Source
from keras_repreg.layers.base import RepresentationRegularization


def select_layers(model: keras.Model, layers: Any = None) -> list[Source]:
    """Return the sources of the activations of the selected layers.

    Args:
        model: A Keras model.
        layers: A layer, a name, a path, or a list of these; by default all hidden layers: those that compute something,
            rather than contain layers or reshape or return their input, and are not outputs. A path names a nested
            layer, "backbone/dense", or one of several parts of an output, "backbone/pooled_output".

    Returns:
        One `Source` per layer, with a unique name.

    Raises:
        TypeError: if `model` is not a Keras model, or `layers` is an array.
        ValueError: if there is no such layer, or there are no hidden layers.
    """
    if hasattr(layers, "shape"):
        raise TypeError(
            "Expected `layers` to be a layer, a name or a list of these; targets are passed with the inputs, as "
            f"`(x, y)`. Received: an array of shape {tuple(layers.shape)}"
        )
    if layers is not None:
        wanted: Sequence[Any] = layers if isinstance(layers, (list, tuple)) else [layers]
        return require_unique_names(model, [_source(model, layer) for layer in wanted])
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    links = graph.of(model)
    # Without a graph, assume that the output is the layer created last.
    outputs = [links.source(layer) for layer in links.outputs()] if links else model.layers[-1:]
    hidden = [layer for layer in model.layers if graph.is_hidden(layer) and layer not in outputs]
    if not hidden:
        raise ValueError(f"Expected a model with hidden layers. Received: '{model.name}' without any")
    return require_unique_names(model, [Source(layer.name, layer) for layer in hidden])


def regularized_layers(model: keras.Model) -> list[Source]:
    """Return the sources of the penalized activations, in the model and its nested models."""
    found: list[keras.layers.Layer] = []

    def search(inner: keras.Model) -> None:
        links = graph.of(inner)
        for layer in inner.layers:
            if isinstance(layer, RepresentationRegularization):
                found.append(links.source(layer) if links else layer)
            elif isinstance(layer, keras.Model):
                search(layer)

    search(model)
    return require_unique_names(model, [Source(layer.name, layer) for layer in found])


def require_unique_names(model: keras.Model, sources: list[Source]) -> list[Source]:
    """Drop duplicates, and use paths as names of layers that share a name.

    Raises:
        ValueError: if two layers have the same path.
    """
    sources = list(dict.fromkeys(sources))
    names = [source.name for source in sources]
    shared = {name for name in names if names.count(name) > 1}
    sources = [
        dataclasses.replace(source, name=graph.layer_path(model, source.layer)) if source.name in shared else source
        for source in sources
    ]
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Expected layers with different names or paths. Received: several {twice}")
    return sources


def _source(model: keras.Model, layer: Any) -> Source:
    if isinstance(layer, Source):
        return layer
    try:
        found = graph.find_layer(model, layer)
    except ValueError:
        if not isinstance(layer, str) or "/" not in layer:
            raise
        # The last name can be a part of the output of the layer before it.
        holder, _, part = layer.rpartition("/")
        try:
            found = graph.find_layer(model, holder)
        except ValueError:
            found = None
        if found is None or not _has_part(found, part):
            raise
        return Source(layer, found, int(part) if part.isdecimal() else part)
    return Source(layer if isinstance(layer, str) else found.name, found)


def _has_part(layer: keras.layers.Layer, part: str) -> bool:
    """Return whether a layer's output has, or may have, such a part."""
    try:
        output = layer.output
    except (AttributeError, ValueError):  # never called symbolically: checked when it is called
        return True
    if isinstance(output, dict):
        return part in output
    # Keras lists the tensors of a dict here; a missing key is reported when the layer is called.
    return isinstance(output, (list, tuple)) and (not part.isdecimal() or int(part) < len(output))
