"""The training or evaluation step in which a penalty is called.

Steps of label-aware models, and of models with a `PenaltyLogger`, open a scope; prediction does not. Scopes are
thread-local, because `tf.distribute.MirroredStrategy` runs the step of each replica in a separate thread.
"""

import contextlib
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Protocol

import keras
from keras import ops

from keras_repreg import seam

Tensor = Any

_local = threading.local()


class Penalty(Protocol):
    """A layer whose penalty is part of the loss of a step."""

    name: str
    effects: MutableMapping[keras.Model, bool]


class Step:
    """One training or evaluation step of a model.

    Attributes:
        training: Whether the step trains.
        samples: The number of samples in the batch.
        counted: Per layer `id`, the losses already included in its mean.
    """

    def __init__(self, model: keras.Model, training: bool, samples: Tensor):
        self.training = training
        self.samples = samples
        self.counted: dict[int, list[Tensor]] = {}
        self._model = model
        self._unused: dict[int, Penalty] = {}

    def watch(self, layer: Penalty, penalty: Tensor) -> Tensor:
        """Return the penalty of a layer, and track whether the loss of the step depends on it."""
        if self._model in layer.effects:
            return penalty
        if keras.backend.backend() != "jax":
            self._unused[id(layer)] = layer
            return penalty
        # On JAX, Keras collects all losses before it calls `compute_loss`, which need not use them. Only a gradient
        # shows whether it does, so evaluations of a model that was never trained are not checked.
        return seam.with_hooks(penalty, lambda: self._unused.setdefault(id(layer), layer), lambda: self.use(layer))

    def read(self, layer: Penalty) -> None:
        """Record that the model sums the losses of a layer."""
        if keras.backend.backend() != "jax":
            self.use(layer)

    def use(self, layer: Penalty) -> None:
        """Record that the loss depends on the penalty of a layer."""
        if self._unused.pop(id(layer), None) is not None:
            layer.effects[self._model] = True

    def warn_of_unused(self) -> None:
        """Warn, once per layer and model, about penalties that do not affect the loss of the step."""
        for layer in self._unused.values():
            layer.effects[self._model] = False
            warnings.warn(
                f"The penalty of layer '{layer.name}' has no effect: it is not part of the loss of model "
                f"'{self._model.name}'. A custom `compute_loss`, `train_step` or `test_step` must add "
                "`sum(self.losses)`, or on JAX the losses returned by `stateless_call(..., return_losses=True)`.",
                stacklevel=2,
            )


@contextlib.contextmanager
def step_scope(model: keras.Model, batch: Any, *, training: bool) -> Iterator[None]:
    """Make the step available to the penalties called in this context; nested scopes of a step have no effect."""
    if current_step() is not None:
        yield
        return
    _local.step = step = Step(model, training, _samples(batch))
    try:
        yield
    finally:
        _local.step = None
    step.warn_of_unused()


def current_step() -> Step | None:
    """Return the current step of this thread, or None."""
    return getattr(_local, "step", None)


def _samples(batch: Any) -> Tensor:
    """Return the number of samples in a batch (x, ...), or 1 if they cannot be counted."""
    x = batch[0] if isinstance(batch, (list, tuple)) and batch else batch
    arrays = [part for part in keras.tree.flatten(x) if getattr(part, "shape", None)]
    return ops.shape(arrays[0])[0] if arrays else 1


def batch_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the batch, the last argument of a step: JAX passes (state, data), the other backends pass data."""
    return args[-1] if args else kwargs.get("data")


class _StepScopeWrapper:
    """Wraps `train_step` or `test_step` of one model."""

    def __init__(self, model: keras.Model, training: bool):
        self._model = weakref.ref(model)
        self._training = training

    def __call__(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with step_scope(self._model(), batch_of(args, kwargs), training=self._training):
            return step(*args, **kwargs)


def open_step_scopes(model: keras.Model) -> None:
    """Make the steps of a model open a scope from now on; compiled functions are compiled again."""
    if any(isinstance(function, _StepScopeWrapper) for function in seam.around(model, "train_step")):
        return
    for name, training in (("train_step", True), ("test_step", False)):
        seam.replace_method(model, name, _StepScopeWrapper(model, training))
    seam.forget_compiled(model)
