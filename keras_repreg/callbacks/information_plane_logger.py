"""The information plane in the logs of `fit`."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.activations import Source, forward_pass
from keras_repreg.arguments import positive_integer, positive_number
from keras_repreg.batches import batches, is_arrays, samples_in
from keras_repreg.callbacks.measuring import MeasuringCallback
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.characteristics.targets import LabelSource
from keras_repreg.information import MutualInformation, mutual_information
from keras_repreg.information.samples import nats_in
from keras_repreg.rows import kept_rows, rows_of

# What is logged of each layer; `trajectory` has the rest.
LOGGED = ("zx_lower", "zx_upper", "zy_lower", "zy_upper")


class InformationPlaneLogger(MeasuringCallback):
    """Logs bounds of the mutual information of layers with input and class on the validation data of `fit`.

    After a validation they are in the epoch's `logs` as `val_<layer>_zx_lower`, `val_<layer>_zx_upper`,
    `val_<layer>_zy_lower` and `val_<layer>_zy_upper`, see `keras_repreg.information.mutual_information`. With
    validation data the order of the callbacks does not matter. With `data=` alone the values are added at the end of
    the epoch: list this callback before those that shall see them. If an activation of a layer is NaN or infinite, so
    that training has diverged, its values are NaN.

    Args:
        layers: A layer, a name, or a list of these; by default all hidden layers.
        data: Measure on this instead: (inputs, targets), or an iterable of such batches.
        labels: Of several targets the key or index of those that are class labels. By default the targets are.
        noise_variance: s^2, the variance of the noise with which the information is defined.
        unit: "nats" or "bits".
        frequency: Measure every `frequency` epochs, if there is a validation in it.
        max_samples: Measure on at most so many samples, since the cost grows with their square: 2,000 take about a
            twenty-fifth of the time of 10,000. Of arrays a random choice that stays the same, of batches the
            first. I(z; x) cannot exceed the logarithm of it. None measures on all.
        batch_size: Samples per forward pass, where the data is not batched already.

    Attributes:
        trajectory: `{layer: {epoch: MutualInformation}}` of the last training, epochs counted from 1; what
            `keras_repreg.plots.information_plane` draws.

    Raises:
        ValueError: if an argument is none of these; at the start of training, if there is no such layer; at the
            first validation, if its data has no class labels or can be read only once (a generator).

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu", name="hidden"),
        ...     keras.layers.Dense(3, activation="softmax"),
        ... ])
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
        >>> logger = keras_repreg.InformationPlaneLogger()
        >>> history = model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[logger], verbose=0)
        >>> list(logger.trajectory["hidden"]), "val_hidden_zx_upper" in history.history
        ([1, 2], True)
    """

    def __init__(
        self,
        layers: Any = None,
        data: Any = None,
        *,
        labels: str | int | None = None,
        noise_variance: float = 0.1,
        unit: str = "nats",
        frequency: int = 1,
        max_samples: int | None = 2000,
        batch_size: int = 256,
    ):
        super().__init__(data, frequency, batch_size)
        nats_in(unit)
        self._layers = layers
        self._labels = True if labels is None else labels
        LabelSource(self._labels)
        self._noise_variance = positive_number(noise_variance, "noise_variance")
        self._unit = unit
        self._max_samples = None if max_samples is None else positive_integer(max_samples, "max_samples")
        self._sources: list[Source] = []
        self.trajectory: dict[str, dict[int, MutualInformation]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._sources = select_layers(self.model, self._layers)
        self.trajectory = {source.name: {} for source in self._sources}
        super().on_train_begin(logs)

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        logged: dict[str, float] = {}
        for name, (z, labels) in self._forward(data, batch_size, steps).items():
            if np.isfinite(z).all():
                point = mutual_information(z, labels, self._noise_variance, self._unit)
                self.trajectory.setdefault(name, {})[self._epoch] = point
                logged |= {f"{name}_{value}": float(getattr(point, value)) for value in LOGGED}
            else:
                logged |= {f"{name}_{value}": float("nan") for value in LOGGED}
        return logged

    def _forward(
        self, data: Any, batch_size: int, steps: int | None
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[Any]]]:
        """Activations of each layer, (samples, units), and their labels, each sample's outputs in one row."""
        limit = self._max_samples
        if is_arrays(data) and steps is None and limit is not None:
            data = _random_choice(data, limit)
        source = LabelSource(self._labels)
        rows: dict[str, list[NDArray[np.float64]]] = {}
        labels: dict[str, list[NDArray[Any]]] = {}
        current: Any = None

        def begin(y: Any, samples: int, x: Any) -> None:
            nonlocal current
            current = source.of_batch(y, samples)

        def receive(name: str, layer: keras.layers.Layer, output: Any, mask: Any) -> None:
            if self._layers is None and len(output.shape) < 2:
                return
            z = rows_of(_without_padding(output, mask), "flatten").astype(np.float64, copy=False)
            kept = kept_rows(mask, z.shape, "flatten") if mask is not None and len(mask.shape) == 1 else None
            room = None if limit is None else limit - sum(map(len, rows.get(name, [])))
            rows.setdefault(name, []).append((z if kept is None else z[kept])[:room])
            labels.setdefault(name, []).append((current if kept is None else current[kept])[:room])

        forward_pass(
            self.model, _limited(data, batch_size, steps, limit), self._sources, begin, receive, batch_size=batch_size
        )
        return {name: (np.concatenate(z), np.concatenate(labels[name])) for name, z in rows.items()}


def _without_padding(output: Any, mask: Any) -> Any:
    """A layer's output with zeros at the positions that a mask excludes, whatever is computed there."""
    if mask is None or len(mask.shape) < 2 or tuple(mask.shape) != tuple(output.shape[: len(mask.shape)]):
        return output
    mask = ops.reshape(ops.cast(mask, output.dtype), (*mask.shape, *(1 for _ in output.shape[len(mask.shape) :])))
    return ops.where(mask > 0, output, ops.zeros_like(output))


def _limited(data: Any, batch_size: int, steps: int | None, limit: int | None) -> Iterator[Any]:
    """Batches of the data until there are enough samples."""
    samples = 0
    for x, y in batches(data, batch_size, steps):
        yield (x, y)
        samples += samples_in(x)
        if limit is not None and samples >= limit:
            return


def _random_choice(data: Any, number: int) -> Any:
    """At most so many samples of arrays, the same ones each time."""
    samples = len(keras.tree.flatten(data)[0])
    if samples <= number:
        return data
    chosen = np.sort(np.random.default_rng(0).choice(samples, number, replace=False))

    def take(array: Any) -> Any:
        if array is None or isinstance(array, np.ndarray):
            return None if array is None else array[chosen]
        return ops.take(array, chosen, axis=0)

    return keras.tree.map_structure(take, data)
