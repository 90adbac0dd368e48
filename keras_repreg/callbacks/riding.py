"""Activations out of the forward pass that `model.evaluate` makes anyhow.

For the time of one `evaluate` the model's `test_step` also returns what chosen layers put out, and its compiled
`test_function` hands that on and hides it from Keras. So nothing is computed twice, and what is computed of the
activations is NumPy's, in float64, whatever the backend and its compiler.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keras_repreg import graph
from keras_repreg.characteristics.capture import recorded_outputs

KEY = "keras_repreg_activations"


class Ride:
    """Takes along the outputs of layers, and the targets, of each batch that `model.evaluate` sees.

    Args:
        model: A compiled model.
        layers: The layers.
        targets: Whether the targets are wanted.
    """

    def __init__(self, model: keras.Model, layers: Sequence[keras.layers.Layer], *, targets: bool):
        self._model = model
        self._layers = layers
        self._targets = targets
        self._compiled: Any = None

    def possible(self) -> bool:
        """Whether the outputs can leave the test step.

        They can where each layer is called by the model's graph itself, not within a loop or function of a `call`
        that only its author knows, and once in a test step that is Keras's or this package's; on one device, batch by
        batch.
        """
        model = self._model
        strategy = getattr(model, "distribute_strategy", None)
        return (
            graph.of(model) is not None
            and _is_ours(model.test_step)
            and all(_in_graphs(model, layer) for layer in self._layers)
            and getattr(strategy, "num_replicas_in_sync", 1) == 1
            and keras.distribution.distribution() is None
            and getattr(model, "steps_per_execution", 1) == 1
            and not (keras.backend.backend() == "torch" and getattr(model, "jit_compile", False))
            and "test_function" in dir(model)
            and not isinstance(model.test_function, _Hiding)
        )

    @contextlib.contextmanager
    def along(self, receive: Callable[[dict[str, Any], Any], Any]) -> Iterator[None]:
        """Within the context, `receive(outputs by layer name, targets)` is called after each batch."""
        model = self._model
        before, function = vars(model).get("test_step"), model.test_function
        # Not by setattr, which a built model guards.
        vars(model)["test_step"] = self._taking_along(model.test_step)
        try:
            if self._compiled is None:
                model.test_function = None
                model.make_test_function()
                self._compiled = model.test_function
            model.test_function = _Hiding(self._compiled, receive)
            yield
        finally:
            model.test_function = function
            vars(model).pop("test_step")
            if before is not None:
                vars(model)["test_step"] = before

    def _taking_along(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def test_step(*args: Any, **kwargs: Any) -> Any:
            with recorded_outputs(self._layers) as outputs:
                result = step(*args, **kwargs)
            # The batch is the last argument on every backend: JAX passes (state, data), the others data.
            _, y, _ = keras.utils.unpack_x_y_sample_weight(args[-1] if args else kwargs["data"])
            taken = {"outputs": {name: _first(output) for name, output in outputs.items()}}
            if self._targets and y is not None:
                taken["y"] = y
            logs, *state = result if isinstance(result, tuple) else (result,)
            if not isinstance(logs, dict):  # a test step of the user's own
                return result
            logs = {**logs, KEY: taken}
            return (logs, *state) if state else logs

        return test_step


class _Hiding:
    """A test function whose logs are those without the activations, which go to `receive`."""

    def __init__(self, function: Callable[..., Any], receive: Callable[[dict[str, Any], Any], Any]):
        self._function = function
        self._receive = receive

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._function(*args, **kwargs)
        logs, *state = result if isinstance(result, tuple) else (result,)
        if not isinstance(logs, dict) or KEY not in logs:
            return result
        taken = logs[KEY]
        self._receive(taken["outputs"], taken.get("y"))
        logs = {name: value for name, value in logs.items() if name != KEY}
        return (logs, *state) if state else logs


def _is_ours(step: Any) -> bool:
    """Whether a step is not its author's own; what wraps one of these says where that is from."""
    return str(getattr(step, "__module__", "")).split(".")[0] in ("keras", "keras_repreg")


def _in_graphs(model: keras.Model, layer: keras.layers.Layer) -> bool:
    """Whether the layer belongs to the model, or to models within it that are graphs too."""
    if any(candidate is layer for candidate in model.layers):
        return True
    inner = (candidate for candidate in model.layers if isinstance(candidate, keras.Model))
    return any(graph.of(candidate) is not None and _in_graphs(candidate, layer) for candidate in inner)


def _first(output: Any) -> Any:
    """Of several outputs of a layer the first, which is the one that is measured."""
    return output[0] if isinstance(output, (list, tuple)) and output else output
