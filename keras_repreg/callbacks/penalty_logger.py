"""Log the contribution of each representation penalty to the loss in `fit` and `evaluate`."""

from typing import Any

import keras

from keras_repreg import graph, seam
from keras_repreg.callbacks.penalty_log import PenaltyLog, reset_means
from keras_repreg.layers.base import RepresentationRegularization


class PenaltyLogger(keras.callbacks.Callback):
    """Logs the weighted penalty of each representation regularizer as `<layer>_penalty` and `val_<layer>_penalty`.

    The values are the losses added by the layers, averaged over batches like the loss: `loss` minus the penalties is
    the task loss. They are in the logs at the end of each epoch, in `History` and available to every callback
    (`CSVLogger`, `EarlyStopping` with `mode="min"`, ...) in any order. `evaluate(..., callbacks=[PenaltyLogger()])`
    returns them too. For a model without such layers nothing is logged.

    The cost is one addition per batch. The steps of a model are compiled again the first time the logger is used on it.
    The means are variables of the layers, like the seed of a Dropout: they are not saved, not counted as weights and
    not in `model.metrics`. If a penalty has no effect because a custom `compute_loss` or `train_step` omits
    `sum(self.losses)`, it is not logged and a warning names it.

    Args:
        layers: A regularizer, its name or path, or a list of these; by default all in the model, including nested
            models and layers.

    Raises:
        TypeError: if one of the layers is not a representation regularizer.
        ValueError: if the model has no layer of that name, raised when the model is set.

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
        self._chosen: dict[str, RepresentationRegularization] = {}

    # Called before the step functions are made, unlike `on_train_begin`.
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        chosen = select_regularizers(self.model, self._layers)
        self._chosen = _named(chosen, {metric.name for metric in self.model.metrics})
        if not chosen:
            return
        PenaltyLog.of(self.model)
        strategy = getattr(self.model, "distribute_strategy", None)
        made = [layer.penalty_mean.make_variables(strategy, layer.path or layer.name) for layer in chosen]
        if any(made):
            seam.forget_compiled(self.model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._chosen:
            PenaltyLog.of(self.model).log_training(self._chosen)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_train_begin()  # a callback may have started another run since
        reset_means(self.model, self._chosen)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._chosen:
            PenaltyLog.of(self.model).log_testing(self._chosen)
            reset_means(self.model, self._chosen)


def select_regularizers(model: keras.Model, layers: Any = None) -> list[RepresentationRegularization]:
    """Return the regularizers named by a callback's `layers`, by default all within the model.

    Raises:
        TypeError: if one of the layers is not a representation regularizer.
        ValueError: if the model has no such layer.
    """
    if layers is None:
        return [layer for layer in seam.all_sublayers(model) if isinstance(layer, RepresentationRegularization)]
    named = layers if isinstance(layers, (list, tuple)) else [layers]
    found = [graph.find_layer(model, layer) for layer in named]
    for layer in found:
        if not isinstance(layer, RepresentationRegularization):
            raise TypeError(f"Expected representation regularizers. Received: {layer!r}")
    return list({id(layer): layer for layer in found}.values())


def _named(layers: list[RepresentationRegularization], taken: set[str]) -> dict[str, RepresentationRegularization]:
    """Return layers by the names of their values, numbered if layers share a name."""
    named: dict[str, RepresentationRegularization] = {}
    for layer in layers:
        name = unused = f"{layer.name}_penalty"
        number = 1
        while unused in taken or unused in named:
            unused, number = f"{name}_{number}", number + 1
        named[unused] = layer
    return named
