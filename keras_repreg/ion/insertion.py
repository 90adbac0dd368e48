"""Insert a linear layer after a ReLU layer, so that Theorem 1 applies to it (section 3.2)."""

from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.ion.copying import carry_state, compiled_alike, configuration, counterparts, rebuilt
from keras_repreg.ion.finding import own_layer
from keras_repreg.ion.probing import Probes, tolerance_of


def insert_linear(model: keras.Model, layer: Any, name: str | None = None) -> keras.Model:
    """Return a copy of the model with a linear Dense layer, initialized to the identity, after a layer.

    Its kernel is the identity and its bias zero, so the output is exactly the same. All operations that took the
    layer's output take that of the new layer. Theorem 1 applies to the new layer.

    Args:
        model: A built Sequential or functional model.
        layer: A layer, or its name.
        name: The name of the new layer; by default the name of the layer followed by `_linear`.

    Returns:
        A model of the same class with copies of all weights and other state, compiled like the model.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: if the model is subclassed, has no such layer or already has a layer of the new name, or the layer
            is used more than once or does not have a single output of known width.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> longer = keras_repreg.ion.insert_linear(model, "z")
        >>> keras_repreg.ion.verify(model, longer, x)
        0.0
        >>> white = keras_repreg.ion.whiten(longer, "z_linear", x)

    Reference:
        Section 3.2 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics
        of deep network representations".
    """
    layer = own_layer(model, layer)
    if not (model.built and layer.built):
        raise ValueError(f"Expected a built model: call it once on data. Received: '{model.name}' without weights")
    if not graph.Graph(model).used_once(layer):
        raise ValueError(f"Expected a layer that is used once. Received: shared layer '{layer.name}'")
    name = f"{layer.name}_linear" if name is None else name
    if not isinstance(name, str) or not name:
        raise ValueError(f"Expected `name` to be a name or None. Received: name={name!r}")
    names = [other.name for other in model.layers]
    if name in names:
        raise ValueError(f"Expected a name that is not one of {names}. Received: name={name!r}")
    shape = getattr(layer.output, "shape", None)
    if shape is None or len(shape) < 2 or shape[-1] is None:
        raise ValueError(
            f"Expected a layer with one output of known width. Received: '{layer.name}' with shape {shape}"
        )
    linear = keras.layers.Dense(shape[-1], kernel_initializer="identity", name=name, dtype=layer.dtype_policy)
    serialized = keras.saving.serialize_keras_object(linear)
    config = configuration(model)
    # The configuration of a Sequential model starts with its input, which is not one of its layers.
    order = model.layers if isinstance(model, keras.Sequential) else model.operations
    position = next(i for i, each in enumerate(order) if each is layer) + 1 + len(config["layers"]) - len(order)
    if isinstance(model, keras.Sequential):
        config["layers"].insert(position, serialized)
    else:
        node = _node_from([entry["inbound_nodes"] for entry in config["layers"]], layer.name)
        for entry in config["layers"]:
            entry["inbound_nodes"] = _redirected(entry["inbound_nodes"], layer.name, name)
        config["output_layers"] = _redirected(config["output_layers"], layer.name, name)
        config["layers"].insert(position, {**serialized, "name": name, "inbound_nodes": [node]})
    longer = rebuilt(model, config)
    for other, source in counterparts(longer, model):
        carry_state(other, source)
    change = Probes(model).change(longer)
    if not change <= tolerance_of(model):
        raise ValueError(
            f"Expected layers whose state can be copied. Received: a copy of '{model.name}' whose outputs differ by "
            f"{change:.2g}, relative to the largest"
        )
    return compiled_alike(longer, model)


def _node_from(nodes: list[Any], source: str) -> dict[str, Any]:
    """Return a serialized call with the output of `source` as its only argument."""
    tensor = _find_tensor(nodes, source)
    if tensor is None:
        raise ValueError(f"Expected a hidden layer, whose output another layer takes. Received: '{source}'")
    return {"args": [tensor], "kwargs": {}}


def _find_tensor(part: Any, source: str) -> Any:
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__" and part["config"]["keras_history"][0] == source:
            return part
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        return next((found for item in part if (found := _find_tensor(item, source)) is not None), None)
    return None


def _redirected(part: Any, source: str, target: str) -> Any:
    """Return a serialized structure with references to the output of `source` replaced by that of `target`."""
    if isinstance(part, dict):
        return {key: _redirected(value, source, target) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        history = len(part) == 3 and part[0] == source and isinstance(part[1], int) and isinstance(part[2], int)
        return [target, 0, 0] if history else [_redirected(item, source, target) for item in part]
    return part
