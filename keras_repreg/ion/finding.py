"""Where a representation can be transformed: everything that computes, passes on or takes the units of a layer.

Theorems 1 and 2 need two affine layers, the second of which takes the output of the first. Whatever commutes with the
transformation may stand between them; where outputs are added, all layers that compute a term are transformed alike;
and where several layers take the output, each undoes the transformation.
"""

from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.ion.parameters import Row
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site
from keras_repreg.ion.tracing import Trace, check


def find_site(model: keras.Model, layer: Any) -> Site:
    """Return the layer with everything that its units pass through and that takes them.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: if not even a permutation of the units could be undone: the layer has no kernel of its own, its
            output is an output of the model, something takes it that no rule describes, or a layer is used more
            than once.
    """
    layer = own_layer(model, layer)
    return search(graph.Graph(model), layer)


def own_layer(model: keras.Model, layer: Any) -> Any:
    """The layer, from the layer or its name, which must be one of the model's own.

    Raises:
        TypeError, ValueError: see `graph.find_layer`; ValueError if it belongs to a model within the model.
    """
    layer = graph.find_layer(model, layer)
    if not any(candidate is layer for candidate in model.layers):
        raise ValueError(
            f"Expected a layer of the model itself; to rewrite a model within '{model.name}', pass that model. "
            f"Received: layer '{layer.name}'"
        )
    return layer


def search(links: graph.Graph, layer: Any, *, start: Row | None = None, stop: Any = None) -> Site:
    """`find_site` in a graph that has been read.

    Args:
        links: The graph.
        layer: Where the units are computed.
        start: The row of `layer`, by default that of the table.
        stop: A layer that counts as one that takes the units.
    """
    row = row_of(layer) if start is None else start
    check(links, layer, row, "the layer to transform")
    if not row.gives:
        raise ValueError(
            "Expected the layer to transform to compute units with a kernel of its own, such as a Dense or "
            f"convolutional layer. Received: '{layer.name}' of type {type(layer).__name__}"
        )
    found = Trace(links, layer, stop)
    found.begin(layer, row, of_its_own=start is None)
    return Site(
        layer,
        tuple(found.producers),
        tuple(found.passing),
        tuple(found.consumers),
        tuple(sorted(found.limits, key=lambda limit: limit.kind)),
        tuple(found.mixing),
    )
