"""Find where a representation can be transformed: all operations that compute, pass on or take the units of a layer.

Theorems 1 and 2 need two affine layers, where the second takes the output of the first. Operations between them must
commute with the transformation. If outputs are added, all layers that compute a term are transformed in the same way.
If several layers take the output, each undoes the transformation.
"""

from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.ion.parameters import Row
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site
from keras_repreg.ion.tracing import Trace, check


def find_site(model: keras.Model, layer: Any) -> Site:
    """Return the layer with all operations that its units pass through and that take them.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: if not even a permutation of the units could be undone: the layer has no kernel, its output is an
            output of the model, an operation without a rule takes its output, or a layer is used more than once.
    """
    layer = own_layer(model, layer)
    return search(graph.Graph(model), layer)


def own_layer(model: keras.Model, layer: Any) -> Any:
    """Return the layer, given the layer or its name, which must be directly in the model.

    Raises:
        TypeError, ValueError: see `graph.find_layer`; ValueError if it belongs to a nested model.
    """
    layer = graph.find_layer(model, layer)
    if not any(candidate is layer for candidate in model.layers):
        raise ValueError(
            f"Expected a layer of the model itself; to rewrite a model within '{model.name}', pass that model. "
            f"Received: layer '{layer.name}'"
        )
    return layer


def search(links: graph.Graph, layer: Any, *, start: Row | None = None, stop: Any = None) -> Site:
    """Return `find_site` for a given graph.

    Args:
        links: The graph.
        layer: The layer that computes the units.
        start: The rule of `layer`, by default from the table.
        stop: A layer that is treated as a consumer of the units.
    """
    row = row_of(layer) if start is None else start
    check(links, layer, row, "the layer to transform")
    if not row.gives:
        raise ValueError(
            "Expected a layer with a kernel to transform, such as a Dense or convolutional layer. Received: "
            f"'{layer.name}' of type {type(layer).__name__}"
        )
    found = Trace(links, layer, stop)
    found.begin(layer, row, computes_units=start is None)
    return Site(
        layer,
        tuple(found.producers),
        tuple(found.passing),
        tuple(found.consumers),
        tuple(sorted(found.limits, key=lambda limit: limit.kind)),
        tuple(found.mixing),
    )
