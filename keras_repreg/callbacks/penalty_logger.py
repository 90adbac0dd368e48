"""What each representation penalty adds to the loss, in the logs of `fit` and `evaluate`."""

import functools
from typing import Any

import keras
from keras import ops

from keras_repreg import graph, recording
from keras_repreg.callbacks.running import running
from keras_repreg.layers.base import RepresentationRegularization


class PenaltyLogger(keras.callbacks.Callback):
    """Logs the weighted penalty of each representation regularizer as `<layer>_penalty` and `val_<layer>_penalty`.

    The values are metrics of the model while it trains: averaged over the batches as the loss is, in the progress
    bar, in `History`, and there for every callback (`CSVLogger`, `EarlyStopping` with `mode="min"`, ...), whatever the
    order. What is left of `loss` without them is the loss proper. `evaluate(..., callbacks=[PenaltyLogger()])` has them
    too.

    It costs an addition a batch. Before and after `fit` the model is as it was; as a metric is compiled into the
    training step, so is this, and each `fit` with the callback compiles it anew. After a `fit` that an exception ended
    the model is as it was once it is trained or evaluated again.

    Args:
        layers: A regularizer, its name, or a list of these; by default all of the model and of models within it.

    Raises:
        TypeError: if one of the layers is no representation regularizer.
        ValueError: when the callback is given a model that has no such layer, or none at all.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu"),
        ...     keras_repreg.RankRegularization(0.01, name="rank"),
        ...     keras.layers.Dense(3),
        ... ])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((10, 4)), np.ones((10, 3))
        >>> history = model.fit(x, y, callbacks=[keras_repreg.PenaltyLogger()], verbose=0)
        >>> sorted(history.history)
        ['loss', 'rank_penalty']
    """

    def __init__(self, layers: Any = None):
        super().__init__()
        self._layers = layers
        self._training = False

    # Before the functions of the steps are made, which `on_train_begin` is not.
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._training = False
        attach(self.model, select_regularizers(self.model, self._layers))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training = True
        begun(self.model)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        begun(self.model)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        detach(self.model)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._training = False
        detach(self.model)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._training:
            detach(self.model)


def select_regularizers(model: keras.Model, layers: Any = None) -> list[RepresentationRegularization]:
    """The regularizers that a callback's `layers` names, by default all of the model.

    Raises:
        TypeError: if one of the layers is no representation regularizer.
        ValueError: if the model has no such layer, or none at all.
    """
    if layers is None:
        found = [layer for layer in graph.all_layers(model) if isinstance(layer, RepresentationRegularization)]
        if not found:
            raise ValueError(
                f"Expected a model with representation regularizers. Received: '{model.name}', whose layers are "
                f"{[layer.name for layer in graph.all_layers(model)]}"
            )
    else:
        named = layers if isinstance(layers, (list, tuple)) else [layers]
        found = [graph.find_layer(model, layer) for layer in named]
        for layer in found:
            if not isinstance(layer, RepresentationRegularization):
                raise TypeError(f"Expected representation regularizers. Received: {layer!r}")
    return list({id(layer): layer for layer in found}.values())


class _Attachment:
    """What `attach` has changed about a model."""

    def __init__(self, layers: list[RepresentationRegularization], run: str):
        self.layers = layers
        self.original: dict[str, Any] = {}
        self.begun = False
        self.run = run  # the method that it is for, or nothing if it is a loop of the user's own


def attach(model: keras.Model, layers: list[RepresentationRegularization]) -> None:
    """Make the penalties of layers metrics of a model, beside those for which another callback of the same run asks."""
    before = getattr(model, "_repreg_penalties", None)
    if before is not None and not before.begun:
        layers = list({id(layer): layer for layer in [*before.layers, *layers]}.values())
    detach(model)
    attachment = _Attachment(layers, next(iter(running(model)), ""))
    strategy = getattr(model, "distribute_strategy", None)
    taken: set[str] = {metric.name for metric in model.metrics}
    for layer in layers:
        name = _unused(f"{layer.name}_penalty", taken)
        layer.penalty_metric.make(name, strategy)
    changed = {
        "train_step": _recorded(model.train_step),
        "test_step": _recorded(model.test_step),
        "compute_loss": _measured(model.compute_loss, layers),
        "make_train_function": _unless_left_over(model, "make_train_function", "fit"),
        "make_test_function": _unless_left_over(model, "make_test_function", "evaluate"),
    }
    for name, value in changed.items():
        attachment.original[name] = vars(model).get(name)
        setattr(model, name, value)
    model._repreg_penalties = attachment
    _compile_anew(model)


def begun(model: keras.Model) -> None:
    """From now on, `attach` is called for another run, one after an exception perhaps."""
    attachment = getattr(model, "_repreg_penalties", None)
    if attachment is not None:
        attachment.begun = True


def detach(model: keras.Model) -> None:
    """Undo `attach`."""
    attachment = getattr(model, "_repreg_penalties", None)
    if attachment is None:
        return
    for layer in attachment.layers:
        layer.penalty_metric.drop()
    for name, original in attachment.original.items():
        if original is None:
            delattr(model, name)
        else:
            setattr(model, name, original)
    model._repreg_penalties = None
    _compile_anew(model)


def _unless_left_over(model: keras.Model, name: str, beginning: str) -> Any:
    """A model's `make_train_function` or `make_test_function`, which Keras calls before each run.

    Where what was attached is of a run that an exception ended, it is detached first.
    """
    make = getattr(model, name)

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        run, begun = model._repreg_penalties.run, model._repreg_penalties.begun
        methods = running(model)
        # `fit` makes the training function, and `evaluate` that of the test, before callbacks hear of the beginning.
        if run and (run not in methods or (begun and methods[0] == run == beginning)):
            detach(model)
            return getattr(model, name)(*args, **kwargs)
        return make(*args, **kwargs)

    return made


def _compile_anew(model: keras.Model) -> None:
    model.train_function = None
    model.test_function = None


def _unused(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken: layers of two models within the model can share theirs."""
    number, unused = 1, name
    while unused in taken:
        unused, number = f"{name}_{number}", number + 1
    taken.add(unused)
    return unused


def _recorded(step: Any) -> Any:
    """`train_step` or `test_step`, in which layers record their penalties."""

    @functools.wraps(step)
    def recorded_step(*args: Any, **kwargs: Any) -> Any:
        with recording.recording():
            return step(*args, **kwargs)

    return recorded_step


def _measured(compute_loss: Any, layers: list[RepresentationRegularization]) -> Any:
    """`compute_loss`, which also updates the metrics: the one place where JAX lets both be seen together."""

    @functools.wraps(compute_loss)
    def measured_loss(x: Any = None, *args: Any, **kwargs: Any) -> Any:
        samples = next((ops.shape(part)[0] for part in keras.tree.flatten(x) if part is not None), 1)
        for layer in layers:
            penalty = recording.take(layer)
            if penalty is not None:
                layer.penalty_metric.update(penalty, samples)
        return compute_loss(x, *args, **kwargs)

    return measured_loss
