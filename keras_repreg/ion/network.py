"""The calls of a model: which operation takes which outputs, in what order, with what constants."""

from typing import Any

import keras

from keras_repreg import graph


class Network:
    """A Sequential or functional model as operations by name.

    Attributes:
        links: The model's graph.
        operations: The operations, layers among them, by name.

    Raises:
        ValueError: see `graph.Graph`.
    """

    def __init__(self, model: keras.Model):
        self.links = graph.Graph(model)
        if isinstance(model, keras.Sequential):
            names = [layer.name for layer in model.layers]
            self.operations = dict(zip(names, model.layers, strict=True))
            self._sources = {name: names[max(i - 1, 0) : i] for i, name in enumerate(names)}
            self._constants: dict[str, list[Any]] = {}
            self._inputs = names[:1]
        else:
            plain = keras.Model(model.inputs, model.outputs)
            self.operations = {operation.name: operation for operation in plain.operations}
            config = plain.get_config()
            nodes = {entry["name"]: entry["inbound_nodes"][:1] for entry in config["layers"]}
            self._sources = {name: _tensors(node) for name, node in nodes.items()}
            self._constants = {name: _constants(node) for name, node in nodes.items()}
            self._inputs = _history(config["input_layers"])

    def sources(self, operation: Any) -> list[Any]:
        """The operations whose outputs the operation takes, in the order of its arguments."""
        return [self.operations[name] for name in self._sources[operation.name]]

    def constants(self, operation: Any) -> list[Any]:
        """What else the operation is called with."""
        return self._constants.get(operation.name, [])

    def first_takers(self, position: int) -> list[Any]:
        """The operations that take an input of the model."""
        if self._inputs and not isinstance(self.operations[self._inputs[0]], keras.layers.InputLayer):
            return [self.operations[self._inputs[0]]]  # the first layer of a Sequential
        return self.links.consumers(self.operations[self._inputs[position]])


def _tensors(part: Any) -> list[str]:
    """Names of the operations whose outputs are among serialized arguments."""
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__":
            return [part["config"]["keras_history"][0]]
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        return [name for item in part for name in _tensors(item)]
    return []


def _constants(part: Any) -> list[Any]:
    """The serialized arguments that are no tensors of the graph."""
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__":
            return []
        if "class_name" in part:
            return [part]
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        return [constant for item in part for constant in _constants(item)]
    return [] if part is None else [part]


def _history(part: Any) -> list[str]:
    """Names in a structure of [name, call, tensor] triples."""
    if isinstance(part, dict):
        part = list(part.values())
    if len(part) == 3 and isinstance(part[0], str) and isinstance(part[1], int):
        return [part[0]]
    return [name for item in part for name in _history(item)]
