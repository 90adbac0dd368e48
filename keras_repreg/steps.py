"""What a penalty can learn of the training or evaluation step in which it is called.

A step opens a scope, which belongs to one thread, because `tf.distribute.MirroredStrategy` runs each replica's step in
a thread. Prediction opens none. The steps of label-aware models open one, and those of a model with a `PenaltyLogger`.
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
    """A layer whose penalty is a part of the loss of a step."""

    name: str
    effects: MutableMapping[keras.Model, bool]


class Step:
    """One training or evaluation step of a model.

    Attributes:
        training: Whether the step trains.
        samples: Number of samples of the batch.
        counted: The losses of each layer, by `id`, that are counted in its mean already.
    """

    def __init__(self, model: keras.Model, training: bool, samples: Tensor):
        self.training = training
        self.samples = samples
        self.counted: dict[int, list[Tensor]] = {}
        self._model = model
        self._unused: dict[int, Penalty] = {}

    def watch(self, layer: Penalty, penalty: Tensor) -> Tensor:
        """Return the penalty of a layer, and notice until the end of the step whether the loss depends on it."""
        if self._model in layer.effects:
            return penalty
        if keras.backend.backend() != "jax":
            self._unused[id(layer)] = layer
            return penalty
        # On JAX, Keras collects all losses before a `compute_loss` is called, which need not use them. Whether it does,
        # a gradient tells, so that an evaluation of a model that was never trained is not looked at.
        return seam.with_hooks(penalty, lambda: self._unused.setdefault(id(layer), layer), lambda: self.use(layer))

    def read(self, layer: Penalty) -> None:
        """Notice that the model sums up the losses of a layer."""
        if keras.backend.backend() != "jax":
            self.use(layer)

    def use(self, layer: Penalty) -> None:
        """Notice that the loss depends on the penalty of a layer."""
        if self._unused.pop(id(layer), None) is not None:
            layer.effects[self._model] = True

    def warn_of_unused(self) -> None:
        """Warn, once per layer and model, of penalties that the loss of the step does not depend on."""
        for layer in self._unused.values():
            layer.effects[self._model] = False
            warnings.warn(
                f"The penalty of layer '{layer.name}' has no effect: it is not part of the loss of model "
                f"'{self._model.name}'. A `compute_loss`, `train_step` or `test_step` of your own must add "
                "`sum(self.losses)`; on JAX, what `stateless_call(..., return_losses=True)` returns.",
                stacklevel=2,
            )


@contextlib.contextmanager
def step_scope(model: keras.Model, batch: Any, *, training: bool) -> Iterator[None]:
    """Let the penalties that are called inside know the step; an inner scope of the same step changes nothing."""
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
    """Return the step that this thread runs, or None."""
    return getattr(_local, "step", None)


def _samples(batch: Any) -> Tensor:
    """The number of samples of a batch (x, ...); 1 if it has none that can be counted."""
    x = batch[0] if isinstance(batch, (list, tuple)) and batch else batch
    arrays = [part for part in keras.tree.flatten(x) if getattr(part, "shape", None)]
    return ops.shape(arrays[0])[0] if arrays else 1


def batch_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the batch among the arguments of a step: the last one, since JAX passes (state, data), the others data."""
    return args[-1] if args else kwargs.get("data")


class _InStepScope:
    """Goes around `train_step` or `test_step` of one model."""

    def __init__(self, model: keras.Model, training: bool):
        self._model = weakref.ref(model)
        self._training = training

    def __call__(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with step_scope(self._model(), batch_of(args, kwargs), training=self._training):
            return step(*args, **kwargs)


def open_step_scopes(model: keras.Model) -> None:
    """Let the steps of any model open a scope, from now on; a function that is compiled already is compiled again."""
    if any(isinstance(function, _InStepScope) for function in seam.around(model, "train_step")):
        return
    for name, training in (("train_step", True), ("test_step", False)):
        seam.replace_method(model, name, _InStepScope(model, training))
    seam.forget_compiled(model)
