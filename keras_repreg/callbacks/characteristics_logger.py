"""The characteristics of Table 1 in the logs of `fit`."""

import warnings
from typing import Any

import keras
import numpy as np

from keras_repreg import graph
from keras_repreg.callbacks.validation import ValidationCallback
from keras_repreg.characteristics import accumulate, select_layers
from keras_repreg.characteristics.capture import is_arrays
from keras_repreg.characteristics.remembered import remember
from keras_repreg.layers.base import RepresentationRegularization


class CharacteristicsLogger(ValidationCallback):
    """Logs the characteristics of layers on the validation data of `fit`, after each validation.

    They are in the epoch's `logs` as `val_<layer>_<characteristic>`, with the characteristics of
    `keras_repreg.characterize`: hence in `History`, `CSVLogger`, `TensorBoard`, the progress bar, and there to be
    monitored by `EarlyStopping` and `ModelCheckpoint`. With validation data the order of the callbacks does not
    matter. With `data=` alone the values are added at the end of the epoch: list this callback before those that
    shall see them. If one of a layer's activations is NaN or infinite, so that training has diverged, its values
    are NaN.

    The validation data is passed through the model once more for it, in inference mode.

    Args:
        layers: A layer, a name, or a list of these. By default the layers whose outputs have a representation
            regularizer, or else all hidden layers.
        data: Measure on this instead: what `keras_repreg.measure` takes.
        batch_size: Samples per forward pass, where the data is not batched already.

    Raises:
        ValueError: at the start of training, if there is no such layer; at the first validation, if its data
            can be read only once (a generator).

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu", name="hidden"),
        ...     keras_repreg.RankRegularization(0.01),
        ...     keras.layers.Dense(3),
        ... ])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((10, 4)), np.ones((10, 3))
        >>> logger = keras_repreg.CharacteristicsLogger()
        >>> history = model.fit(x, y, validation_data=(x, y), callbacks=[logger], verbose=0)
        >>> "val_hidden_stable_rank" in history.history
        True
    """

    def __init__(self, layers: Any = None, data: Any = None, *, batch_size: int = 256):
        super().__init__()
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"Expected `batch_size` to be an integer >= 1. Received: batch_size={batch_size!r}")
        self._layers = layers
        self._data = data
        self._batch_size = batch_size
        self._chosen: list[keras.layers.Layer] = []
        self._measured_epoch = False
        self._measured_ever = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen = self._choose()
        self._measured_ever = False
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._measured_epoch = False

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        if self._data is not None:
            return self._measure(self._data, self._batch_size, None)
        return self._measure((x, y) if is_arrays(x) else x, batch_size or self._batch_size, steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._data is not None and not self._measured_epoch and logs is not None:
            values = self._measure(self._data, self._batch_size, None)
            logs.update({f"val_{name}": value for name, value in values.items()})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_end(logs)
        if not self._measured_ever:
            warnings.warn(
                "CharacteristicsLogger had nothing to measure on: give `fit` validation data, or the logger `data=`.",
                stacklevel=2,
            )

    def _choose(self) -> list[keras.layers.Layer]:
        if self._layers is not None:
            return select_layers(self.model, self._layers)
        return list(dict.fromkeys(_regularized(self.model))) or select_layers(self.model)

    def _measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        if hasattr(data, "__next__"):
            raise ValueError(
                "CharacteristicsLogger reads the data a second time, which a generator does not allow; give the "
                f"logger `data=` arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset`. Received: {data!r}"
            )
        accumulators = accumulate(self.model, data, self._chosen, batch_size=batch_size, steps=steps)
        for layer in self._chosen:
            if accumulators[layer.name].finite and accumulators[layer.name].has_covariance:
                remember(self.model, layer, accumulators[layer.name].moments)
        self._measured_epoch = self._measured_ever = True
        return {
            f"{name}_{characteristic}": value
            for name, accumulator in accumulators.items()
            for characteristic, value in accumulator.result().items()
        }


def _regularized(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers whose outputs are penalized, in the model and in models within it."""
    links = graph.of(model)
    found: list[keras.layers.Layer] = []
    for layer in model.layers:
        if isinstance(layer, RepresentationRegularization):
            found.append(links.source(layer) if links else layer)
        elif isinstance(layer, keras.Model):
            found += _regularized(layer)
    return found
