"""The characteristics of Table 1 and their kin in the logs of `fit`."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_repreg import graph
from keras_repreg.arrays import to_numpy
from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.measuring import MeasuringCallback
from keras_repreg.callbacks.riding import Ride
from keras_repreg.callbacks.seen import Seen
from keras_repreg.characteristics.measuring import Collection
from keras_repreg.characteristics.remembered import remember
from keras_repreg.characteristics.selection import select_layers, with_names_of_their_own
from keras_repreg.characteristics.table import CharacteristicsTable
from keras_repreg.layers.base import RepresentationRegularization


class CharacteristicsLogger(MeasuringCallback):
    """Logs the characteristics of layers on the validation data of `fit`, after each validation.

    They are in the epoch's `logs` as `val_<layer>_<characteristic>`, with the characteristics of
    `keras_repreg.characterize`: hence in `History`, `CSVLogger`, `TensorBoard`, the progress bar, and there to be
    monitored by `EarlyStopping` and `ModelCheckpoint`. With validation data the order of the callbacks does not
    matter. With `data=` alone the values are added at the end of the epoch: list this callback before those that
    shall see them. If one of a layer's activations is NaN or infinite, so that training has diverged, its values
    are NaN. The array of a spectrum is not logged, but kept in `tables`.

    The activations are taken from the forward pass that validation makes anyhow, and the statistics computed beside
    it. Where they cannot be taken from it, the validation data is passed through the model once more: for
    models with a `call` of their own, `steps_per_execution` above 1, several replicas or a distribution, compiled
    PyTorch models, the second logger of one `fit`, `labels=` in an array, and weights that are not finite.

    Args:
        layers: A layer, a name, or a list of these. By default the layers whose outputs have a representation
            regularizer, or else all hidden layers.
        data: Measure on this instead: what `keras_repreg.measure` takes.
        characteristics: Which ones: see `keras_repreg.measure`.
        frequency: Measure in every so-many-th epoch, if there is a validation in it or there is `data=`.
        labels: The class of each sample, for the characteristics of classes: see `keras_repreg.measure`.
        units: "channels" or "flatten": see `keras_repreg.measure`.
        positive_only: See `keras_repreg.measure`.
        batch_size: Samples per forward pass over `data`, where it is not batched already.
        log_dir: Also write the values, a histogram of the activations and one of the spectrum's logarithms to an event
            file in this folder, for TensorBoard. Needs TensorFlow, on any backend.

    Attributes:
        tables: `{epoch: CharacteristicsTable}` of the last training, epochs counted from 1.

    Raises:
        TypeError, ValueError: if an argument is none of these; at the start of training, if there is no such layer;
            at the first validation, if there are no labels where they are needed, or the data has to be read a second
            time and can be read only once (a generator).
        ImportError: if there is a `log_dir` and no TensorFlow.

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
        >>> logger.tables[1]["hidden"]["stable_rank"] == history.history["val_hidden_stable_rank"][0]
        True
    """

    def __init__(
        self,
        layers: Any = None,
        data: Any = None,
        characteristics: str | Sequence[str] | None = None,
        frequency: int = 1,
        *,
        labels: Any = None,
        units: str = "channels",
        positive_only: bool | None = None,
        batch_size: int = 256,
        log_dir: Any = None,
    ):
        super().__init__(data, frequency, batch_size)
        self._layers = layers
        self._arguments = {
            "labels": labels,
            "characteristics": characteristics,
            "units": units,
            "positive_only": positive_only,
        }
        Collection([], **self._arguments)  # names what is wrong before any training
        self._log_dir = log_dir
        self._events: EventFile | None = None
        self._chosen: list[keras.layers.Layer] = []
        self._ride: Ride | None = None
        self._seen: Seen | None = None
        self.tables: dict[int, CharacteristicsTable] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen = self._choose()
        self.tables = {}
        if self._events is not None:
            self._events.close()  # of a training that an exception ended
        self._events = EventFile(self._log_dir) if self._log_dir is not None else None
        self._ride = None
        if self._data is None:
            labels = self._new().labels
            if labels.by_batch:
                self._ride = Ride(self.model, self._chosen, targets=labels.given)
        super().on_train_begin(logs)

    @contextlib.contextmanager
    def during_validation(self, x: Any) -> Iterator[None]:
        self._seen = None
        if not (self._ride is not None and self._due() and self._ride.possible() and self._trusted(x)):
            yield
            return
        seen = self._new()
        with self._ride.along(seen.update):
            yield
        self._seen = seen if seen.accumulators else None

    def _trusted(self, x: Any) -> bool:
        """Whether the compiled pass tells of NaN: XLA's ReLU of it is 0. A generator leaves no choice."""
        return hasattr(x, "__next__") or all(np.isfinite(to_numpy(weight)).all() for weight in self.model.weights)

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        if self._seen is None:
            return super().on_validation(x, y, batch_size, steps)
        self._had_data = True
        seen, self._seen = self._seen, None
        return self._log(seen)

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        seen = self._new()
        seen.fill(self.model, data, batch_size, steps)
        return self._log(seen)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._events is not None:
            self._events.close()
        super().on_train_end(logs)

    def _choose(self) -> list[keras.layers.Layer]:
        if self._layers is not None:
            return select_layers(self.model, self._layers)
        return with_names_of_their_own(list(dict.fromkeys(_regularized(self.model)))) or select_layers(self.model)

    def _new(self) -> Seen:
        return Seen(self._chosen, histograms=self._log_dir is not None, **self._arguments)

    def _log(self, seen: Seen) -> dict[str, float]:
        accumulators = {layer: seen.accumulators[layer.name] for layer in self._chosen}
        remember(self.model, {layer: a.moments for layer, a in accumulators.items() if a.finite and a.has_covariance})
        table = seen.table()
        self.tables[self._epoch] = table
        if self._events is not None:
            seen.write(self._events, table, self._epoch - 1)
        return {
            f"{layer}_{name}": value
            for layer, values in table.items()
            for name, value in values.items()
            if not isinstance(value, np.ndarray)
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
