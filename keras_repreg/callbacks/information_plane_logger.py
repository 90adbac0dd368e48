"""Log the information plane during `fit`."""

import warnings
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
from keras_repreg.labels import select_target
from keras_repreg.rows import kept_rows, rows_of

# Logged for each layer, with input and class; all results are in `trajectory`.
OF_INPUT = ("zx", "zx_error", "zx_lower", "zx_upper")
OF_CLASS = ("zy", "zy_error", "zy_lower", "zy_upper")


class InformationPlaneLogger(MeasuringCallback):
    """Logs the mutual information of layers with input and class on the validation data of `fit`.

    After a validation the epoch's `logs` contain I(z; x) as `val_<layer>_zx`, its standard error as
    `val_<layer>_zx_error` and its bounds as `val_<layer>_zx_lower` and `val_<layer>_zx_upper`, and the same for I(z; y)
    as `zy`; see `keras_repreg.information.mutual_information`. For data without class labels, such as in a regression,
    only I(z; x) is logged. With validation data the order of the callbacks does not matter. With `data=` alone the
    values are added at the end of the epoch: list this callback before those that use them. If an activation of a layer
    is NaN or infinite because training has diverged, the values of the layer are NaN.

    Args:
        layers: A layer, a name, or a list of these; by default all hidden layers.
        data: Data to measure on instead: (inputs, targets), or an iterable of such batches.
        labels: The key or index of the class labels, if there are several targets. By default the targets are the
            labels; if they are not class labels, only I(z; x) is logged, with a warning. False logs only I(z; x).
        noise_variance: s^2, the variance of the noise in the definition of the information.
        information_unit: "nats" or "bits".
        frequency: Measure every `frequency` epochs, if the epoch has a validation.
        max_samples: The maximum number of samples. The cost grows with its square: 2,000 samples take a few tenths of a
            second per layer, 10,000 samples 25 times as long. From arrays a fixed random subset is used, from batches
            the first samples. I(z; x) cannot exceed the logarithm of this number. None uses all samples.
        batch_size: Samples per forward pass, if the data is not batched already.

    Attributes:
        trajectory: `{layer: {epoch: MutualInformation}}` of the last training, with epochs counted from 1, for
            `keras_repreg.plots.information_plane`.

    Raises:
        ValueError: if an argument is invalid; at the start of training, if there is no such layer; at the first
            validation, if `labels` refers to targets that are missing or not class labels, if there are several targets
            and `labels` is not given, or if the data is a generator, which can be read only once.

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
        >>> list(logger.trajectory["hidden"]), "val_hidden_zx" in history.history
        ([1, 2], True)
    """

    def __init__(
        self,
        layers: Any = None,
        data: Any = None,
        *,
        labels: str | int | bool | None = None,
        noise_variance: float = 0.1,
        information_unit: str = "nats",
        frequency: int = 1,
        max_samples: int | None = 2000,
        batch_size: int = 256,
    ):
        super().__init__(data, frequency, batch_size)
        nats_in(information_unit)
        self._layers = layers
        self._named = labels is not None and labels is not False
        self._labels = labels if self._named else None if labels is False else True
        self._warned = False
        LabelSource(self._labels)
        self._noise_variance = positive_number(noise_variance, "noise_variance")
        self._information_unit = information_unit
        self._max_samples = None if max_samples is None else positive_integer(max_samples, "max_samples")
        self._sources: list[Source] = []
        self.trajectory: dict[str, dict[int, MutualInformation]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._warned = False
        self._sources = select_layers(self.model, self._layers)
        self.trajectory = {source.name: {} for source in self._sources}
        super().on_train_begin(logs)

    def measure(self, data: Any, batch_size: int, steps: int | None) -> dict[str, float]:
        logged: dict[str, float] = {}
        for name, (z, labels) in self._forward(data, batch_size, steps).items():
            values = OF_INPUT if labels is None else (*OF_INPUT, *OF_CLASS)
            if np.isfinite(z).all():
                point = mutual_information(z, labels, self._noise_variance, self._information_unit)
                self.trajectory.setdefault(name, {})[self._epoch] = point
                logged |= {f"{name}_{value}": float(getattr(point, value)) for value in values}
            else:
                logged |= {f"{name}_{value}": float("nan") for value in values}
        return logged

    def _forward(
        self, data: Any, batch_size: int, steps: int | None
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[Any] | None]]:
        """Return the activations of each layer, one row per sample, and labels if any."""
        limit = self._max_samples
        if is_arrays(data) and steps is None and limit is not None:
            data = _random_choice(data, limit)
        source = LabelSource(self._labels)
        rows: dict[str, list[NDArray[np.float64]]] = {}
        labels: dict[str, list[NDArray[Any]]] = {}
        current: Any = None
        labelled = source.given

        def begin(y: Any, samples: int, x: Any) -> None:
            nonlocal current, labelled
            found = self._classes(source, y, samples) if labelled else None
            labelled = found is not None
            current = np.zeros(samples) if found is None else found

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
        return {
            name: (np.concatenate(z), np.concatenate(labels[name]) if labelled else None) for name, z in rows.items()
        }

    def _classes(self, source: LabelSource, y: Any, samples: int) -> NDArray[Any] | None:
        """Return the classes of a batch, or None if there are none and the caller did not name any."""
        if self._named:
            return source.of_batch(y, samples)
        if y is None:
            return None
        select_target(y, None)  # with several targets, the caller must name one
        try:
            return source.of_batch(y, samples)
        except ValueError as error:
            if not self._warned:
                warnings.warn(
                    "InformationPlaneLogger logs only I(z; x), because the targets are not class labels. Pass "
                    f"`labels=False` to silence this warning. {error}",
                    stacklevel=2,
                )
                self._warned = True
            return None


def _without_padding(output: Any, mask: Any) -> Any:
    """Return a layer's output with zeros at the positions that a mask excludes."""
    if mask is None or len(mask.shape) < 2 or tuple(mask.shape) != tuple(output.shape[: len(mask.shape)]):
        return output
    mask = ops.reshape(ops.cast(mask, output.dtype), (*mask.shape, *(1 for _ in output.shape[len(mask.shape) :])))
    return ops.where(mask > 0, output, ops.zeros_like(output))


def _limited(data: Any, batch_size: int, steps: int | None, limit: int | None) -> Iterator[Any]:
    """Yield batches of the data until there are enough samples."""
    samples = 0
    for x, y in batches(data, batch_size, steps):
        yield (x, y)
        samples += samples_in(x)
        if limit is not None and samples >= limit:
            return


def _random_choice(data: Any, number: int) -> Any:
    """Return a fixed random subset of at most this number of samples from arrays."""
    samples = len(keras.tree.flatten(data)[0])
    if samples <= number:
        return data
    chosen = np.sort(np.random.default_rng(0).choice(samples, number, replace=False))

    def take(array: Any) -> Any:
        if array is None or isinstance(array, np.ndarray):
            return None if array is None else array[chosen]
        return ops.take(array, chosen, axis=0)

    return keras.tree.map_structure(take, data)
