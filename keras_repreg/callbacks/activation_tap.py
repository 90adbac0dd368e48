"""Collect activations from the forward pass of `model.evaluate`.

During one `evaluate`, the model's `test_step` also returns the outputs of chosen layers, and its compiled
`test_function` passes them on and removes them from the logs that Keras sees. So no output is computed twice, and
statistics are computed in NumPy, in float64, with any backend and compiler.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keras_repreg import graph, seam
from keras_repreg.activations import Source
from keras_repreg.characteristics.collection import Collection
from keras_repreg.labels import targets_of
from keras_repreg.steps import batch_of

KEY = "keras_repreg_activations"


class ActivationTap:
    """Collects the outputs of layers, and the targets, from each batch of `model.evaluate`.

    Args:
        model: A compiled model.
        sources: The sources of the activations.
        targets: Whether to collect the targets.
    """

    def __init__(self, model: keras.Model, sources: Sequence[Source], *, targets: bool):
        self._model = model
        self._sources = sources
        self._targets = targets
        self._compiled: Any = None
        self._step: Any = None

    def possible(self) -> bool:
        """Return whether outputs can be collected from the test step.

        This requires that each layer is called by the model's graph itself, not in a loop or function of a custom
        `call`; that the test step is Keras's or this package's; and a single device with one batch per execution.
        """
        model = self._model
        strategy = getattr(model, "distribute_strategy", None)
        return (
            graph.of(model) is not None
            and not seam.is_own_method(model, "test_step")
            and all(_in_graphs(model, source.layer) for source in self._sources)
            and getattr(strategy, "num_replicas_in_sync", 1) == 1
            and keras.distribution.distribution() is None
            and getattr(model, "steps_per_execution", 1) == 1
            and not (keras.backend.backend() == "torch" and getattr(model, "jit_compile", False))
            and hasattr(model, "test_function")
            and not isinstance(model.test_function, _WithoutActivations)
        )

    @contextlib.contextmanager
    def filling(self, collection: Collection) -> Iterator[None]:
        """Pass the activations of each batch to the collection within the context."""
        model, function = self._model, self._model.test_function
        if self._step is None:
            # A new object, because JAX caches traces by the identity of the function.
            self._step = functools.partial(self._returning_outputs, model.test_step)
        try:
            # PyTorch gets the step from the model in each batch, the other backends when the function is made.
            with seam.substituted(model, "test_step", self._step):
                if self._compiled is None:
                    model.test_function = None
                    model.make_test_function()
                    self._compiled = model.test_function
                model.test_function = _WithoutActivations(
                    self._compiled, lambda captured: self._receive(captured, collection)
                )
                yield
        finally:
            model.test_function = function

    def _returning_outputs(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `test_step` and add the outputs of each call of a layer to its logs, by name."""
        outputs: dict[str, dict[str, Any]] = {}

        def receive(layer: keras.layers.Layer, output: Any, mask: Any) -> None:
            for source in self._sources:
                if source.layer is layer:
                    masks = source.arrays_of_mask(output, mask)
                    for name, array in source.arrays(output).items():
                        calls = outputs.setdefault(name, {})
                        captured = {"output": array}
                        if masks.get(name) is not None:
                            captured["mask"] = masks[name]
                        calls[str(len(calls))] = captured

        with seam.tapped([source.layer for source in self._sources], receive):
            result = step(*args, **kwargs)
        captured = {"outputs": outputs}
        y = targets_of(batch_of(args, kwargs))
        if self._targets and y is not None:
            captured["y"] = y
        logs, *state = result if isinstance(result, tuple) else (result,)
        if not isinstance(logs, dict):
            return result
        logs = {**logs, KEY: captured}
        return (logs, *state) if state else logs

    def _receive(self, captured: dict[str, Any], collection: Collection) -> None:
        collection.begin(captured.get("y"))
        layers = {source.name: source.layer for source in self._sources}
        for name, calls in captured["outputs"].items():
            layer = layers.get(name) or layers[name.rpartition("/")[0]]
            for call in calls.values():
                collection.receive(name, layer, call["output"], call.get("mask"))


class _WithoutActivations:
    """A test function that removes the activations from the logs and passes them to `receive`."""

    def __init__(self, function: Callable[..., Any], receive: Callable[[dict[str, Any]], None]):
        self._function = function
        self._receive = receive

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._function(*args, **kwargs)
        logs, *state = result if isinstance(result, tuple) else (result,)
        if not isinstance(logs, dict) or KEY not in logs:
            return result
        self._receive(logs[KEY])
        logs = {name: value for name, value in logs.items() if name != KEY}
        return (logs, *state) if state else logs


def _in_graphs(model: keras.Model, layer: keras.layers.Layer) -> bool:
    """Return whether the layer belongs to the model or to nested models, all of which are graphs."""
    if any(candidate is layer for candidate in model.layers):
        return True
    inner = (candidate for candidate in model.layers if isinstance(candidate, keras.Model))
    return any(graph.of(candidate) is not None and _in_graphs(candidate, layer) for candidate in inner)
