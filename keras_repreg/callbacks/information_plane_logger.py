"""The information plane in the logs of `fit`."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer, positive_number
from keras_repreg.arrays import to_float64
from keras_repreg.callbacks.measuring import MeasuringCallback
from keras_repreg.characteristics import select_layers
from keras_repreg.characteristics.capture import as_tensors, batches, is_arrays, recorded_outputs
from keras_repreg.information import MutualInformation, mutual_information
from keras_repreg.information.samples import nats_in
from keras_repreg.labels import current_labels, label_scope

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
        label_key: Which entry of dict, list or tuple targets are the class labels; needed where there are several.
        noise_variance: s^2, the variance of the noise with which the information is defined.
        unit: "nats" or "bits".
        frequency: Measure in every so-many-th epoch, if there is a validation in it.
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
        label_key: str | int | None = None,
        noise_variance: float = 0.1,
        unit: str = "nats",
        frequency: int = 1,
        max_samples: int | None = 2000,
        batch_size: int = 256,
    ):
        super().__init__(data, frequency, batch_size)
        nats_in(unit)
        self._layers = layers
        self._label_key = label_key
        self._noise_variance = positive_number(noise_variance, "noise_variance")
        self._unit = unit
        self._max_samples = None if max_samples is None else positive_integer(max_samples, "max_samples")
        self._chosen: list[keras.layers.Layer] = []
        self.trajectory: dict[str, dict[int, MutualInformation]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen = select_layers(self.model, self._layers)
        self.trajectory = {layer.name: {} for layer in self._chosen}
        super().on_train_begin(logs)

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        activations, labels = self._forward(data, batch_size, steps)
        logged: dict[str, float] = {}
        for name, z in activations.items():
            if np.isfinite(z).all():
                point = mutual_information(z, labels, self._noise_variance, self._unit)
                self.trajectory[name][self._epoch] = point
                logged |= {f"{name}_{value}": float(getattr(point, value)) for value in LOGGED}
            else:
                logged |= {f"{name}_{value}": float("nan") for value in LOGGED}
        return logged

    def _forward(
        self, data: Any, batch_size: int, steps: int | None
    ) -> tuple[dict[str, NDArray[np.float64]], NDArray[Any]]:
        """Activations of each layer, (samples, units), and the labels."""
        limit = self._max_samples
        if is_arrays(data) and steps is None and limit is not None:
            data = _random_choice(data, limit)
        activations: dict[str, list[NDArray[np.float64]]] = {layer.name: [] for layer in self._chosen}
        labels: list[NDArray[Any]] = []
        samples = 0
        with recorded_outputs(self._chosen) as outputs:
            for x, y in batches(data, batch_size, steps):
                labels.append(self._labels(y)[: None if limit is None else limit - samples])
                self.model(as_tensors(x), training=False)
                for name, found in activations.items():
                    found.append(_output(outputs, name)[: len(labels[-1])])
                samples += len(labels[-1])
                if samples == limit:
                    break
        if not samples:
            raise ValueError(f"Expected at least one batch of data. Received: {type(data).__name__} without any")
        return {name: np.concatenate(found) for name, found in activations.items()}, np.concatenate(labels)

    def _labels(self, y: Any) -> NDArray[Any]:
        with label_scope(y):
            labels = current_labels(self._label_key)
        if labels is None:
            raise ValueError(
                "InformationPlaneLogger needs class labels: data of (inputs, targets). Received: data without targets"
            )
        return np.asarray(ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels)


def _output(outputs: dict[str, Any], name: str) -> NDArray[np.float64]:
    """A layer's output on the last batch, each sample's in one row; of several outputs the first."""
    if name not in outputs:
        raise ValueError(f"Expected the model to call layer '{name}' when it is called. Received: no call")
    z = outputs[name]
    array = to_float64(z[0] if isinstance(z, (list, tuple)) else z)
    return array.reshape(len(array), -1)


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
