"""The base class that decides when a logger measures, and on which data."""

import warnings
from typing import Any

from keras_repreg.arguments import positive_integer
from keras_repreg.batches import is_arrays
from keras_repreg.callbacks.validation import ValidationCallback


class MeasuringCallback(ValidationCallback):
    """Base class of callbacks that measure every `frequency` epochs, on the validation data of `fit` or on given data.

    The values are added to the `val_` logs: those of validation, if there is one, otherwise at the end of the epoch.

    Args:
        data: Data to measure on instead of the validation data.
        frequency: Number of epochs between measurements.
        batch_size: Samples per forward pass over `data`.
    """

    def __init__(self, data: Any, frequency: int, batch_size: int):
        super().__init__()
        self._data = data
        self._frequency = positive_integer(frequency, "frequency")
        self._batch_size = positive_integer(batch_size, "batch_size")
        self._epoch = 0
        self._measured = False
        self._had_data = False

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        """Pass data through the model and measure; return values by name, without `val_`."""
        raise NotImplementedError(f"{type(self).__name__} must define `measure`.")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._had_data = self._data is not None
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch + 1
        self._measured = False

    def on_validation(self, x: Any, y: Any, batch_size: int | None, steps: int | None) -> dict[str, float]:
        self._had_data = True
        if not self._due():
            return {}
        if self._data is not None:
            return self._on_own_data()
        data = (x, y) if is_arrays(x) else x
        self._check_repeatable(data)
        return self.measure(data, batch_size or self._batch_size, steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._data is not None and self._due() and not self._measured and logs is not None:
            logs.update({f"val_{name}": value for name, value in self._on_own_data().items()})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_end(logs)
        if not self._had_data:
            warnings.warn(
                f"{type(self).__name__} had no data to measure on: pass validation data to `fit`, or `data=` to the "
                "logger.",
                stacklevel=2,
            )

    def _due(self) -> bool:
        return self._epoch % self._frequency == 0

    def _on_own_data(self) -> dict[str, float]:
        self._check_repeatable(self._data)
        values = self.measure(self._data, self._batch_size, None)
        self._measured = True
        return values

    def _check_repeatable(self, data: Any) -> None:
        if hasattr(data, "__next__"):
            raise ValueError(
                f"{type(self).__name__} must read the data of this model twice, but a generator can be read only "
                "once. Pass arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset` as `data=` of the logger. "
                f"Received: {data!r}"
            )
