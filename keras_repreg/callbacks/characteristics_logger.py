"""The characteristics of Table 1 and their kin in the logs of `fit`."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_repreg.activations import Source
from keras_repreg.callbacks.activation_tap import ActivationTap
from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.measuring import MeasuringCallback
from keras_repreg.callbacks.validation_collection import ValidationCollection
from keras_repreg.characteristics.collection import Collection
from keras_repreg.characteristics.moments import Moments
from keras_repreg.characteristics.selection import regularized_layers, select_layers
from keras_repreg.characteristics.table import CharacteristicsTable


class CharacteristicsLogger(MeasuringCallback):
    """Logs the characteristics of layers on the validation data of `fit`, after each validation.

    They are in the epoch's `logs` as `val_<layer>_<characteristic>`, with the characteristics of
    `keras_repreg.characterize`: hence in `History`, `CSVLogger`, `TensorBoard`, the progress bar, and there to be
    monitored by `EarlyStopping` and `ModelCheckpoint`. With validation data the order of the callbacks does not
    matter. With `data=` alone the values are added at the end of the epoch: list this callback before those that
    should see them. If one of a layer's activations is NaN or infinite, so that training has diverged, its values
    are NaN. The array of a spectrum is not logged, but kept in `tables`.

    The activations are taken from the forward pass that validation makes in any case. Where they cannot be taken from
    it, the validation data is passed through the model once more: for models with a `call` of their own,
    `steps_per_execution` above 1, several replicas or a distribution, compiled PyTorch models, the second logger of one
    `fit`, `labels=` in an array, `mask=`, and weights that are not finite. A layer that is called several times is
    measured over all calls, and what Keras's masks exclude is left out, as in `keras_repreg.measure`.

    Args:
        layers: A layer, a name, or a list of these. By default the layers whose outputs have a representation
            regularizer, or else all hidden layers. See `keras_repreg.measure` for paths and parts of outputs.
        data: Measure on this instead: what `keras_repreg.measure` takes.
        characteristics: Which ones: see `keras_repreg.measure`.
        frequency: Measure every `frequency` epochs, if there is a validation in it or there is `data=`.
        labels: The class of each sample, for the characteristics of classes: see `keras_repreg.measure`.
        units: "channels" or "flatten": see `keras_repreg.measure`.
        positive_only: See `keras_repreg.measure`.
        batch_size: Samples per forward pass over `data`, where it is not batched already.
        mask: The name of an input of the model that is a mask: see `keras_repreg.measure`.
        chance: Also log each value at chance, as `val_<layer>_<characteristic>_at_chance`.
        log_dir: Also write the values, a histogram of the activations and one of the spectrum's logarithms to an event
            file in this folder, for TensorBoard. Needs TensorFlow, on any backend.

    Attributes:
        tables: `{epoch: CharacteristicsTable}` of the last training, epochs counted from 1.
        moments: `{layer: Moments}`, mean and covariance of each layer's output as last measured, where the
            characteristics need them: what `keras_repreg.ion.whiten(..., moments=logger.moments["z"])` takes.

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
        mask: str | None = None,
        chance: bool = False,
        log_dir: Any = None,
    ):
        super().__init__(data, frequency, batch_size)
        self._layers = layers
        self._arguments = {
            "labels": labels,
            "characteristics": characteristics,
            "units": units,
            "positive_only": positive_only,
            "chance": chance,
        }
        Collection([], **self._arguments)  # names what is wrong before any training
        self._mask = mask
        self._log_dir = log_dir
        self._events: EventFile | None = None
        self._sources: list[Source] = []
        self._tap: ActivationTap | None = None
        self._collected: ValidationCollection | None = None
        self.tables: dict[int, CharacteristicsTable] = {}
        self.moments: dict[str, Moments] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The state of a running `fit` is created again when the next one begins.
        return {**self.__dict__, "_sources": [], "_tap": None, "_collected": None, "_events": None}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._sources = self._choose()
        self.tables, self.moments = {}, {}
        if self._events is not None:
            self._events.close()  # of a training that an exception ended
        self._events = EventFile(self._log_dir) if self._log_dir is not None else None
        self._tap = None
        if self._data is None and self._mask is None and self._sources:
            labels = self._new().labels
            if labels.by_batch:
                self._tap = ActivationTap(self.model, self._sources, targets=labels.given)
        super().on_train_begin(logs)

    @contextlib.contextmanager
    def during_validation(self, x: Any) -> Iterator[None]:
        self._collected = None
        if not (self._tap is not None and self._due() and self._tap.possible() and self._trusted(x)):
            yield
            return
        collection = self._new()
        with self._tap.filling(collection):
            yield
        self._collected = collection if collection.accumulators else None

    def _trusted(self, x: Any) -> bool:
        """Whether the compiled pass shows NaN: XLA's ReLU of it is 0. A generator leaves no choice."""
        return hasattr(x, "__next__") or all(bool(ops.all(ops.isfinite(weight))) for weight in self.model.weights)

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        if self._collected is None:
            return super().on_validation(x, y, batch_size, steps)
        self._had_data = True
        collection, self._collected = self._collected, None
        return self._log(collection)

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        if not self._sources:
            return {}
        collection = self._new()
        collection.fill(self.model, data, batch_size, steps, self._mask)
        return self._log(collection)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._events is not None:
            self._events.close()
        super().on_train_end(logs)

    def _choose(self) -> list[Source]:
        if self._layers is not None:
            return select_layers(self.model, self._layers)
        try:
            return regularized_layers(self.model) or select_layers(self.model)
        except ValueError as error:  # a list of callbacks can be shared with a model that has nothing to measure
            warnings.warn(f"CharacteristicsLogger logs nothing. {error}", stacklevel=2)
            return []

    def _new(self) -> ValidationCollection:
        every = self._layers is None
        return ValidationCollection(
            self._sources,
            histograms=self._log_dir is not None,
            all_layers=every,
            model=self.model,
            **self._arguments,
        )

    def _log(self, collection: ValidationCollection) -> dict[str, float]:
        accumulators = collection.accumulators
        self.moments = {name: a.moments for name, a in accumulators.items() if a.finite and a.has_covariance}
        table = collection.table()
        self.tables[self._epoch] = table
        if self._events is not None:
            collection.write(self._events, table, self._epoch - 1)
        return {
            f"{layer}_{name}": value
            for layer, values in table.items()
            for name, value in values.items()
            if not isinstance(value, np.ndarray)
        }
