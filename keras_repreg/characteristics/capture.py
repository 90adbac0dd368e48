"""The activations of chosen layers, batch by batch, from one forward pass of any kind of model."""

import contextlib
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arguments import one_of, positive_integer
from keras_repreg.arrays import to_numpy


@contextlib.contextmanager
def recorded_outputs(layers: Sequence[keras.layers.Layer]) -> Iterator[dict[str, Any]]:
    """Within the context, each eager call of a layer leaves its output under the layer's name.

    Works for nested and subclassed models, whose inner tensors have no symbolic name. Of a layer that is called
    more than once per batch, the last output is kept.
    """
    outputs: dict[str, Any] = {}
    before = {layer: vars(layer).get("call") for layer in layers}

    def recording(layer: Any) -> Callable[..., Any]:
        original = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            outputs[layer.name] = original(*args, **kwargs)
            return outputs[layer.name]

        # Keras injects `training` and masks according to the signature.
        call.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
        return call

    for layer in layers:
        # Not by setattr, which a built layer guards.
        vars(layer)["call"] = recording(layer)
    try:
        yield outputs
    finally:
        for layer, call in before.items():
            vars(layer).pop("call")
            if call is not None:
                vars(layer)["call"] = call


def batches(data: Any, batch_size: int, steps: int | None = None) -> Iterator[tuple[Any, Any]]:
    """(inputs, targets) batch by batch; targets are None where the data has none.

    Args:
        data: Inputs, a list or dict of them if there are several; a tuple (inputs, targets) or (inputs, targets,
            sample_weight); or an iterable of batches of these: a `tf.data.Dataset`, `keras.utils.PyDataset`, torch
            `DataLoader` or generator.
        batch_size: Samples per batch, where the data is not batched already.
        steps: At most this many batches.

    Raises:
        ValueError: if `batch_size` or `steps` is no integer >= 1, or the data is none of these.
    """
    batch_size = positive_integer(batch_size, "batch_size")
    steps = None if steps is None else positive_integer(steps, "steps")
    if data is None:
        raise ValueError("Expected `data`: arrays, (inputs, targets) or an iterable of batches. Received: None")
    if isinstance(data, keras.utils.PyDataset):
        iterator: Iterator[Any] = (data[i] for i in range(len(data)))
    elif is_arrays(data):
        iterator = _slices(data, batch_size)
    elif hasattr(data, "__iter__") and not isinstance(data, (str, bytes)):
        iterator = iter(data)
    else:
        raise ValueError(
            "Expected `data` to be arrays, a tuple (inputs, targets) or an iterable of batches. "
            f"Received: {data!r} of type {type(data).__name__}"
        )
    for step, batch in enumerate(iterator):
        if steps is not None and step >= steps:
            return
        # A torch DataLoader hands lists where the others hand tuples.
        x, y, _ = keras.utils.unpack_x_y_sample_weight(tuple(batch) if isinstance(batch, list) else batch)
        yield x, y


def is_arrays(data: Any) -> bool:
    """Whether the data is an array or a structure of arrays, rather than an iterable of batches."""
    return isinstance(data, (tuple, list, dict)) or hasattr(data, "shape")


def _slices(data: Any, batch_size: int) -> Iterator[Any]:
    # Only a tuple holds targets: a list is several inputs, as for `model.evaluate`.
    x, y = (*data, None)[:2] if isinstance(data, tuple) and data else (data, None)
    arrays = [a for a in keras.tree.flatten((x, y)) if a is not None]
    if not arrays or any(len(getattr(a, "shape", ())) == 0 for a in arrays):
        raise ValueError(f"Expected arrays of samples. Received: {data!r}")
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ValueError(f"Expected arrays of the same number of samples. Received: lengths {sorted(lengths)}")
    for start in range(0, lengths.pop(), batch_size):
        part = slice(start, start + batch_size)
        yield keras.tree.map_structure(lambda a, s=part: None if a is None else a[s], (x, y))


def peek(data: Any, batch_size: int) -> tuple[Any, Any]:
    """The inputs of the first batch, and the data with that batch still to come: what can be read once is read once.

    Raises:
        ValueError: if there is no batch.
    """
    if hasattr(data, "__iter__") and not (is_arrays(data) or isinstance(data, (keras.utils.PyDataset, str, bytes))):
        iterator = iter(data)
        first = list(itertools.islice(iterator, 1))
        data = itertools.chain(first, iterator)
        source: Any = iter(first)
    else:
        source = data
    for x, _ in batches(source, batch_size):
        return x, data
    raise ValueError("Expected at least one batch of data. Received: none")


def as_tensors(x: Any) -> Any:
    """Inputs of a model, arrays or None, as tensors."""
    return keras.tree.map_structure(lambda array: None if array is None else ops.convert_to_tensor(array), x)


UNITS = ("channels", "flatten")


def rows_of(z: Any, units: str = "channels", channel_axis: int = -1) -> NDArray[Any]:
    """(N, M) activations of a layer, an array in their own dtype (float32 for bfloat16).

    Of a layer with several outputs, such as a recurrent one with its states, the first counts.

    Args:
        z: Activations of shape (samples, units), or (samples, ..., units).
        units: "channels": the channels are the units, and each position of each sample counts as a sample;
            "flatten": each position of each channel is a unit.
        channel_axis: Where the channels are.

    Raises:
        ValueError: if the activations are not real numbers of rank 2 or more, or `units` is neither.
    """
    one_of(units, UNITS, "units")
    if isinstance(z, (list, tuple)) and z and ops.is_tensor(z[0]):
        z = z[0]
    if not ops.is_tensor(z):
        z = to_numpy(z)
    if len(z.shape) < 2 or not _is_real(z):
        raise ValueError(
            "Expected activations of shape (samples, units), or (samples, ..., units), in a real numeric dtype. "
            f"Received: shape {tuple(z.shape)}, dtype {z.dtype}"
        )
    array = to_numpy(z)
    if units == "flatten":
        return array.reshape(len(array), math.prod(array.shape[1:]))
    array = np.moveaxis(array, channel_axis, -1)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def as_matrix(z: Any) -> NDArray[np.float64]:
    """`rows_of` in float64, channels as units."""
    return rows_of(z).astype(np.float64, copy=False)


def channel_axis(layer: keras.layers.Layer) -> int:
    """The axis of the channels in a layer's output: the last one, unless the layer says `channels_first`."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _is_real(z: Any) -> bool:
    if ops.is_tensor(z):
        return not keras.backend.standardize_dtype(z.dtype).startswith(("complex", "string"))
    return z.dtype.kind in "biuf"
