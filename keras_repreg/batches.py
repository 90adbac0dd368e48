"""Iterate over any data that `model.evaluate` takes, batch by batch."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_repreg.arguments import positive_integer


def batches(data: Any, batch_size: int, steps: int | None = None) -> Iterator[tuple[Any, Any]]:
    """Yield (inputs, targets) batch by batch; targets are None if the data has none.

    Args:
        data: Inputs, or a list or dict of inputs; a tuple (inputs, targets) or (inputs, targets, sample_weight); or an
            iterable of batches of these: a `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader` or generator.
        batch_size: Samples per batch, if the data is not batched already.
        steps: At most this many batches.

    Raises:
        ValueError: if `batch_size` or `steps` is not an integer >= 1, or the data is none of these.
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
        # A torch DataLoader yields lists instead of tuples.
        x, y, _ = keras.utils.unpack_x_y_sample_weight(tuple(batch) if isinstance(batch, list) else batch)
        yield x, y


def is_arrays(data: Any) -> bool:
    """Return whether the data is an array or a structure of arrays, rather than an iterable of batches."""
    return isinstance(data, (tuple, list, dict)) or hasattr(data, "shape")


def _slices(data: Any, batch_size: int) -> Iterator[Any]:
    # Only a tuple contains targets: a list is several inputs, as for `model.evaluate`.
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
    """Return the inputs of the first batch, and the data with that batch still to come, read only once.

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
    """Return the inputs of a model, arrays or None, as tensors."""
    return keras.tree.map_structure(lambda array: None if array is None else ops.convert_to_tensor(array), x)


def samples_in(x: Any) -> int:
    """Return the number of samples in a batch of inputs."""
    array = next(array for array in keras.tree.flatten(x) if array is not None)
    return int(array.shape[0]) if getattr(array, "shape", None) else len(array)  # a sparse tensor has no length
