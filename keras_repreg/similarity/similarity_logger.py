"""Log how far representations have moved since the start of training."""

from typing import Any

import keras
import numpy as np

from keras_repreg.activations import Source
from keras_repreg.arguments import positive_integer
from keras_repreg.batches import batches, is_arrays
from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.similarity.alignment import SMALLEST, Alignment, u_centred
from keras_repreg.similarity.comparing import SimilarityTable, outputs_of


class SimilarityLogger(keras.callbacks.Callback):
    """Logs, for each layer, the CKA between its representations before training and after the epoch.

    The value is in the epoch's `logs` as `<layer>_cka_to_start`. It is 1 for a layer that has not changed, except by a
    rotation and a scale, and NaN once training has diverged. List this callback before those that use the values.

    Args:
        data: Arrays of inputs, or a tuple (inputs, targets), the same in each epoch. For each layer and batch of n
            samples, an n x n matrix is kept.
        layers: A layer, a name, or a list of these; by default all hidden layers.
        frequency: Measure every `frequency` epochs.
        batch_size: Samples per forward pass.

    Attributes:
        tables: `{epoch: SimilarityTable}` of layers before training (rows) and after the epoch (columns), with epochs
            counted from 1.

    Raises:
        ValueError: if `data` is not arrays, `frequency` or `batch_size` is not an integer >= 1, or, at the start of
            training, if there is no such layer or no batch of at least four samples.

    Examples:
        >>> import keras, numpy as np
        >>> from keras_repreg import similarity
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(3)])
        >>> model.compile("adam", "mse")
        >>> x = np.random.default_rng(0).normal(size=(40, 4))
        >>> logger = similarity.SimilarityLogger(x)
        >>> history = model.fit(x, x[:, :3], epochs=2, callbacks=[logger], verbose=0)
        >>> 0.9 < history.history["hidden_cka_to_start"][1] < 1.01
        True
    """

    def __init__(self, data: Any, layers: Any = None, frequency: int = 1, *, batch_size: int = 256):
        super().__init__()
        if not is_arrays(data):
            raise ValueError(f"Expected `data` to be arrays, the same in each epoch. Received: {type(data).__name__}")
        self._data = data
        self._layers = layers
        self._frequency = positive_integer(frequency, "frequency")
        self._batch_size = positive_integer(batch_size, "batch_size")
        self._chosen: list[Source] = []
        self._start: list[list[Array]] = []
        self.tables: dict[int, SimilarityTable] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen = select_layers(self.model, self._layers)
        self.tables = {}
        self._start = self._grams()
        if not self._start:
            raise ValueError(f"Expected a batch of at least {SMALLEST} samples. Received: smaller ones")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self._frequency:
            return
        names = [source.name for source in self._chosen]
        alignment = Alignment(len(names), len(names))
        with np.errstate(invalid="ignore"):
            for before, now in zip(self._start, self._grams(), strict=True):
                alignment.update(before, now)
        values = alignment.cka().tolist()
        rows = {name: dict(zip(names, row, strict=True)) for name, row in zip(names, values, strict=True)}
        self.tables[epoch + 1] = SimilarityTable(rows, "cka", alignment.samples)
        if logs is not None:
            logs.update({f"{name}_cka_to_start": rows[name][name] for name in names})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._start = []

    def _grams(self) -> list[list[Array]]:
        """Return `u_centred` of each layer for each batch."""
        return [
            [u_centred(z) for z in outputs]
            for x, _ in batches(self._data, self._batch_size)
            if len((outputs := outputs_of(self.model, self._chosen, x, finite=False))[0]) >= SMALLEST
        ]
