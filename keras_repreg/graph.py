"""The layers before and after a layer.

The graph of a Sequential model is the order of its layers. The graph of a functional model is read from its
configuration, the only public interface that lists every call of a layer, including calls of shared layers.
"""

import difflib
import warnings
from typing import Any

import keras

from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.seam import all_sublayers, sublayers

# Layers that return their input unchanged at inference.
_IDENTITIES = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_RESHAPES = (keras.layers.Flatten, keras.layers.Permute, keras.layers.RepeatVector, keras.layers.Reshape)


def is_linear(layer: Any) -> bool:
    """Return whether the activation function of the layer is the identity."""
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def is_identity(layer: Any) -> bool:
    """Return whether the layer returns its input unchanged at inference."""
    if type(layer) is keras.layers.Activation:
        return is_linear(layer)
    # Subclasses of Keras layers may do something else.
    return type(layer) in _IDENTITIES or isinstance(layer, RepresentationRegularization)


def is_hidden(layer: Any) -> bool:
    """Return whether the layer computes something, rather than containing layers, reshaping or returning its input."""
    return not (isinstance(layer, (keras.layers.InputLayer, *_RESHAPES)) or is_identity(layer))


def all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a model, including those of nested models."""
    found = []
    for layer in model.layers:
        found.append(layer)
        if isinstance(layer, keras.Model):
            found += all_layers(layer)
    return found


def find_layer(model: keras.Model, layer: Any) -> keras.layers.Layer:
    """Return a layer of the model or of a nested model, given the layer, its name or its path.

    A path names a layer and the layers that contain it, from the outside in: "backbone/block/dense".

    Raises:
        TypeError: if `model` is not a Keras model, or `layer` is neither a layer nor a string.
        ValueError: if the model has no such layer, or several with that name.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    if not isinstance(layer, (str, keras.layers.Layer)):
        received = f"an array of shape {tuple(layer.shape)}" if hasattr(layer, "shape") else repr(layer)
        raise TypeError(f"Expected `layer` to be a layer of the model or its name. Received: {received}")
    layers = list({id(candidate): candidate for candidate in all_layers(model)}.values())
    if isinstance(layer, str):
        found = [candidate for candidate in layers if candidate.name == layer] or _at_path(model, layer.split("/"))
    else:
        found = [candidate for candidate in all_sublayers(model) if candidate is layer]
    if len(found) == 1:
        return found[0]
    names = [candidate.name for candidate in layers]
    if len(names) > 10 and isinstance(layer, str):
        names = [*difflib.get_close_matches(layer, names, 5, 0.4), f"... ({len(names)} layers)"]
    number = "one layer" if found else "a layer"
    received = repr(layer) if isinstance(layer, str) else f"{layer!r}, which is none of these objects"
    if found:
        received += f", at {[layer_path(model, candidate) for candidate in found]}: name one by its path"
    raise ValueError(f"Expected {number} of model '{model.name}', whose layers are {names}. Received: {received}")


def _at_path(layer: keras.layers.Layer, path: list[str]) -> list[keras.layers.Layer]:
    """Return the layers at a path below a layer; names may contain slashes."""
    found = []
    for length in range(1, len(path) + 1):
        for candidate in sublayers(layer):
            if candidate.name == "/".join(path[:length]):
                found += _at_path(candidate, path[length:]) if path[length:] else [candidate]
    return found


def layer_path(model: keras.Model, layer: keras.layers.Layer) -> str:
    """Return the path of a layer within a model: names from the outside in, without the model, joined by slashes."""
    waiting = [("", model)]
    for before, holder in waiting:
        for candidate in sublayers(holder):
            if candidate is layer:
                return before + candidate.name
            waiting.append((f"{before}{candidate.name}/", candidate))
    raise ValueError(f"Expected a layer within model '{model.name}'. Received: {layer!r}")


class Graph:
    """The graph of the operations of a model.

    Attributes:
        operations: The operations, including layers, by name.

    Raises:
        ValueError: if the graph is unknown, because the model has a custom `call` or a layer without a configuration.
    """

    def __init__(self, model: keras.Model):
        self.operations: dict[str, Any] = {}
        self._calls: dict[str, int] = {}
        self._inputs: dict[str, list[str]] = {}
        self._constants: dict[str, list[Any]] = {}
        self._starts: list[list[str]] = []
        self._outputs: set[str] = set()
        self._training: set[str] = set()
        if isinstance(model, keras.Sequential) and type(model).call is keras.Sequential.call:
            self._read_sequence(model)
            return
        if not isinstance(model, keras.Sequential) and hasattr(model, "operations"):
            # A subclass may have a custom configuration; a plain model on the same tensors has that of the graph.
            plain = keras.Model(model.inputs, model.outputs)
            if type(model).call is type(plain).call:
                self._read_functional(plain)
                return
        raise ValueError(
            "Expected a Sequential or functional model: the graph of a model with a custom `call` is unknown. "
            f"Received: {type(model).__name__} '{model.name}'"
        )

    def _read_sequence(self, model: keras.Sequential) -> None:
        names = [layer.name for layer in model.layers]
        self.operations = dict(zip(names, model.layers, strict=True))
        self._calls = dict.fromkeys(names, 1)
        self._inputs = {name: names[max(i - 1, 0) : i] for i, name in enumerate(names)}
        self._starts = [names[:1]]
        self._outputs = set(names[-1:])

    def _read_functional(self, model: keras.Model) -> None:
        self.operations = {operation.name: operation for operation in model.operations}
        try:
            with warnings.catch_warnings():
                # Keras warns about functions that cannot be saved, but this configuration is not saved.
                warnings.simplefilter("ignore")
                config = model.get_config()
        except (NotImplementedError, TypeError) as error:
            # On PyTorch, the latter is raised for a weight that is an argument of an operation.
            raise ValueError(
                "Expected a model whose layers all have a configuration, which is needed to read its graph. Received: "
                f"{' '.join(str(error).split())}"
            ) from error
        for operation in config["layers"]:
            nodes = operation["inbound_nodes"]
            self._calls[operation["name"]] = max(len(nodes), 1)
            self._inputs[operation["name"]] = _tensor_sources(nodes)
            self._constants[operation["name"]] = _constants(nodes)
            if any(node.get("kwargs", {}).get("training") for node in nodes):
                self._training.add(operation["name"])
        starts = _history_names(config["input_layers"])
        self._starts = [[name for name, inputs in self._inputs.items() if start in inputs] for start in starts]
        self._outputs = set(_history_names(config["output_layers"]))

    def has(self, operation: Any) -> bool:
        """Return whether the operation belongs to the model."""
        return self.operations.get(operation.name) is operation

    def used_once(self, operation: Any) -> bool:
        """Return whether the operation is called once and shares no variables with another."""
        own = {id(variable) for variable in getattr(operation, "variables", [])}
        return self._calls[operation.name] == 1 and not any(
            id(variable) in own
            for other in self.operations.values()
            if other is not operation
            for variable in getattr(other, "variables", [])
        )

    def always_training(self, operation: Any) -> bool:
        """Return whether the operation is called with `training=True`, and so behaves at inference as in training."""
        return operation.name in self._training

    def consumers(self, operation: Any) -> list[Any]:
        """Return the operations that take the output."""
        return [self.operations[name] for name, inputs in self._inputs.items() if operation.name in inputs]

    def sources(self, operation: Any) -> list[Any]:
        """Return the operations whose outputs the operation takes, in the order of its calls and their arguments."""
        return [self.operations[name] for name in self._inputs[operation.name]]

    def constants(self, operation: Any) -> list[Any]:
        """Return the constant arguments of the operation's calls."""
        return self._constants.get(operation.name, [])

    def takers(self, position: int) -> list[Any]:
        """Return the operations that take an input of the model."""
        return [self.operations[name] for name in self._starts[position]]

    def producer(self, operation: Any) -> Any:
        """Return the operation whose output is the first input, or the operation itself if there is none."""
        inputs = self._inputs[operation.name]
        return self.operations[inputs[0]] if inputs else operation

    def is_output(self, operation: Any) -> bool:
        """Return whether the output is an output of the model."""
        return operation.name in self._outputs

    def outputs(self) -> list[Any]:
        """Return the operations whose outputs are outputs of the model."""
        return [self.operations[name] for name in self.operations if name in self._outputs]

    def source(self, operation: Any) -> Any:
        """Return the layer whose output an identity layer returns; any other operation is its own source."""
        current = operation
        while is_identity(current) and self._inputs[current.name]:
            current = self.producer(current)
        # Operations that are not layers, and inputs of the model, cannot be measured.
        return current if isinstance(current, keras.layers.Layer) and is_hidden(current) else operation


def of(model: keras.Model) -> Graph | None:
    """Return the graph of a model, or None if it is unknown."""
    try:
        return Graph(model)
    except ValueError:
        return None


def _tensor_sources(node: Any) -> list[str]:
    """Return the names of the operations whose outputs are arguments of serialized calls, in order."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            return [node["config"]["keras_history"][0]]
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        return [name for item in node for name in _tensor_sources(item)]
    return []


def _constants(part: Any) -> list[Any]:
    """Return the serialized arguments that are not tensors of the graph."""
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__":
            return []
        if "class_name" in part:
            return [part]
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        return [constant for item in part for constant in _constants(item)]
    return [] if part is None else [part]


def _history_names(outputs: Any) -> list[str]:
    """Return the names in a structure of [name, call, tensor] triples."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if len(outputs) == 3 and isinstance(outputs[0], str) and isinstance(outputs[1], int):
        return [outputs[0]]
    return [name for item in outputs for name in _history_names(item)]
