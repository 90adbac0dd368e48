"""The characteristics of Table 1 and their kin in the logs of `fit`."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_repreg import graph
from keras_repreg.arrays import to_numpy
from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.riding import Ride
from keras_repreg.callbacks.seen import Seen
from keras_repreg.callbacks.validation import ValidationCallback
from keras_repreg.characteristics.capture import is_arrays
from keras_repreg.characteristics.measuring import Collection
from keras_repreg.characteristics.remembered import remember
from keras_repreg.characteristics.selection import select_layers, with_names_of_their_own
from keras_repreg.characteristics.table import CharacteristicsTable
from keras_repreg.layers.base import RepresentationRegularization


class CharacteristicsLogger(ValidationCallback):
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
        super().__init__()
        self._frequency = _positive_integer(frequency, "frequency")
        self._batch_size = _positive_integer(batch_size, "batch_size")
        self._layers = layers
        self._data = data
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
        self._epoch = 0
        self._had_data = False
        self.tables: dict[int, CharacteristicsTable] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen = self._choose()
        self._had_data = self._data is not None
        self.tables = {}
        self._events = EventFile(self._log_dir) if self._log_dir is not None else None
        self._ride = None
        if self._data is None:
            labels = self._new().labels
            if labels.by_batch:
                self._ride = Ride(self.model, self._chosen, targets=labels.given)
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch + 1

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
        self._had_data = True
        if not self._due():
            return {}
        if self._seen is not None:
            seen, self._seen = self._seen, None
            return self._log(seen)
        if self._data is not None:
            return self._log(self._pass(self._data, self._batch_size, None))
        return self._log(self._pass((x, y) if is_arrays(x) else x, batch_size or self._batch_size, steps))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._data is not None and self._due() and self._epoch not in self.tables and logs is not None:
            values = self._log(self._pass(self._data, self._batch_size, None))
            logs.update({f"val_{name}": value for name, value in values.items()})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_end(logs)
        if self._events is not None:
            self._events.close()
        if not self._had_data:
            warnings.warn(
                "CharacteristicsLogger had nothing to measure on: give `fit` validation data, or the logger `data=`.",
                stacklevel=2,
            )

    def _choose(self) -> list[keras.layers.Layer]:
        if self._layers is not None:
            return select_layers(self.model, self._layers)
        return with_names_of_their_own(list(dict.fromkeys(_regularized(self.model)))) or select_layers(self.model)

    def _due(self) -> bool:
        return self._epoch % self._frequency == 0

    def _new(self) -> Seen:
        return Seen(self._chosen, histograms=self._log_dir is not None, **self._arguments)

    def _pass(self, data: Any, batch_size: int, steps: int | None) -> Seen:
        """A forward pass of its own over the data."""
        if hasattr(data, "__next__"):
            raise ValueError(
                "CharacteristicsLogger reads the data of this model a second time, which a generator does not allow; "
                "give the logger `data=` arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset`. "
                f"Received: {data!r}"
            )
        seen = self._new()
        seen.fill(self.model, data, batch_size, steps)
        return seen

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


def _positive_integer(value: Any, name: str) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"Expected `{name}` to be an integer >= 1. Received: {name}={value!r}")
    return int(value)


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
