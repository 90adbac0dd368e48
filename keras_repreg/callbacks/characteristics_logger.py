"""Log the characteristics of Table 1 and related ones during `fit`."""

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

    The values are in the epoch's `logs` as `val_<layer>_<characteristic>`, with the characteristics of
    `keras_repreg.characterize`. They appear in `History`, `CSVLogger`, `TensorBoard` and the progress bar, and can be
    monitored by `EarlyStopping` and `ModelCheckpoint`. With validation data the order of the callbacks does not matter.
    With `data=` alone the values are added at the end of the epoch: list this callback before those that use them. If
    an activation of a layer is NaN or infinite because training has diverged, the values of the layer are NaN. The
    array of a spectrum is not logged, but kept in `tables`.

    The activations are collected from the forward pass of validation. If that is not possible, the validation data is
    passed through the model again: for models with a custom `call`, `steps_per_execution` above 1, several replicas or
    a distribution, compiled PyTorch models, the second logger of one `fit`, `labels=` as an array, `mask=`, and weights
    that are not finite. As in `keras_repreg.measure`, a layer that is called several times is measured over all calls,
    and entries excluded by Keras's masks are ignored.

    Args:
        layers: A layer, a name, or a list of these. By default the layers followed by a representation regularizer or,
            if there are none, all hidden layers. See `keras_repreg.measure` for paths and parts of outputs.
        data: Data to measure on instead, as for `keras_repreg.measure`.
        characteristics: The characteristics to log: see `keras_repreg.measure`.
        frequency: Measure every `frequency` epochs, if the epoch has a validation or `data=` is given.
        labels: The class of each sample, for class characteristics: see `keras_repreg.measure`.
        units: "channels" or "flatten": see `keras_repreg.measure`.
        positive_only: See `keras_repreg.measure`.
        batch_size: Samples per forward pass over `data`, if it is not batched already.
        mask: The name of a model input that is the mask: see `keras_repreg.measure`.
        chance: Also log each value at chance, as `val_<layer>_<characteristic>_at_chance`.
        log_dir: A folder for a TensorBoard event file with the values, a histogram of the activations and a histogram
            of the log spectrum. Requires TensorFlow, on any backend.

    Attributes:
        tables: `{epoch: CharacteristicsTable}` of the last training, with epochs counted from 1.
        moments: `{layer: Moments}`, the last measured mean and covariance of each layer's output, if the
            characteristics need them, for `keras_repreg.ion.whiten(..., moments=logger.moments["z"])`.

    Raises:
        TypeError, ValueError: if an argument is invalid; at the start of training, if there is no such layer; at the
            first validation, if labels are needed and missing, or if a generator would have to be read twice.
        ImportError: if `log_dir` is given and TensorFlow is not installed.

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
        Collection([], **self._arguments)  # raises errors before training starts
        self._mask = mask
        self._log_dir = log_dir
        self._events: EventFile | None = None
        self._sources: list[Source] = []
        self._tap: ActivationTap | None = None
        self._collected: ValidationCollection | None = None
        self.tables: dict[int, CharacteristicsTable] = {}
        self.moments: dict[str, Moments] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The state of a running `fit` is created again by the next one.
        return {**self.__dict__, "_sources": [], "_tap": None, "_collected": None, "_events": None}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._sources = self._choose()
        self.tables, self.moments = {}, {}
        if self._events is not None:
            self._events.close()  # left open by a training that raised an exception
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
        """Return whether to use the compiled pass: XLA's ReLU of NaN is 0, but a generator can be read only once."""
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
        except ValueError as error:  # the callbacks may be shared with a model that has nothing to measure
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
