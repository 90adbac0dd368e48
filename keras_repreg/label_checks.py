"""Check the labels given to `fit` or `evaluate` before the first step, as far as they can be read."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import keras

from keras_repreg import seam
from keras_repreg.arrays import to_numpy
from keras_repreg.labels import targets_of
from keras_repreg.layers.classwise import ClasswiseRegularization


def check_run(model: Any, x: Any, y: Any, arguments: dict[str, Any]) -> Any:
    """Check the labels given to `evaluate`, or to `fit` including its validation data; see `check_labels`."""
    if arguments.get("_use_cached_eval_dataset"):  # a validation whose data `fit` has already checked
        return x
    validation = arguments.get("validation_data")
    if isinstance(validation, (tuple, list)) and len(validation) in (2, 3):
        check_labels(model, *validation[:2])
    elif validation is not None and not hasattr(validation, "__next__"):
        check_labels(model, validation, None)
    return check_labels(model, x, y)


def check_labels(model: Any, x: Any, y: Any) -> Any:
    """Check the labels given to `fit` or `evaluate`: whole arrays, or the first batch of a data set.

    Args:
        model: A model.
        x: Inputs or a data set, as for `fit`.
        y: Targets or None, as for `fit`.

    Returns:
        `x`; an iterator is replaced by one that still yields the first batch.

    Raises:
        ValueError: if class-wise layers would take their labels from targets that are not class labels.
    """
    layers = [layer for layer in seam.all_sublayers(model) if isinstance(layer, ClasswiseRegularization)]
    if not layers or x is None:
        return x
    if y is None:
        y, x = _first_targets(x)
    elif any(layer.labels_from_scope is None for layer in layers):
        _call_symbolically(model, x)
    if y is not None:
        for layer in layers:
            layer.check_targets(y)
    return x


def _call_symbolically(model: Any, x: Any) -> None:
    """Call a model symbolically if it was never called, to find out whether labels are passed to its layers."""
    shapes = keras.tree.map_structure(lambda part: keras.KerasTensor((None, *part.shape[1:]), str(part.dtype)), x)
    with contextlib.suppress(Exception):  # a call that cannot be traced is checked when it runs
        model.compute_output_spec(shapes)


def _first_targets(data: Any) -> tuple[Any, Any]:
    """Return the targets in the first batch of a data set, or None if they cannot be read, and the data set."""
    if isinstance(data, keras.utils.PyDataset):
        return targets_of(data[0]), data
    if hasattr(data, "element_spec") and hasattr(data, "take"):
        y = targets_of(data.element_spec)
        # Reading a `tf.data.Dataset` can be expensive, and integers, one per sample, are always valid.
        if all(spec.dtype.is_integer and spec.shape.rank == 1 for spec in keras.tree.flatten(y) if spec is not None):
            return None, data
        return next((targets_of(batch) for batch in data.take(1)), None), data
    if hasattr(data, "__next__"):
        first = list(itertools.islice(data, 1))
        return (targets_of(first[0]) if first else None), _joined(first, data)
    samples: Any = getattr(data, "dataset", None)  # a PyTorch DataLoader
    if hasattr(samples, "__getitem__") and hasattr(samples, "__len__") and len(samples):
        y = targets_of(samples[0])
        return (None if y is None else keras.tree.map_structure(lambda part: to_numpy(part)[None], y)), data
    return None, data


def _joined(first: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from first
    for batch in rest:  # noqa: UP028, which would close the user's generator with this one
        yield batch
