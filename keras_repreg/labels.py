"""Labels as a side input of the class-wise layers, and the package's definition of class labels.

Layers receive activations, not labels. `label_scope` passes the targets of a batch to the class-wise layers that are
called inside it; the steps of label-aware models (`keras_repreg.models`) open one. Scopes are thread-local, because
`tf.distribute.MirroredStrategy` runs the step of each replica, with its own labels, in a separate thread.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_numpy
from keras_repreg.seam import value_of

Tensor = Any

LABEL_OPTIONS = (
    "There are three ways to pass labels to a class-wise layer: (1) `layer([z, labels])` or `layer(z, "
    "labels=labels)`, with `labels` a `keras.Input` of integers; (2) build the model as `keras_repreg.Sequential` or "
    "`keras_repreg.Model`, and pass the labels to `fit` as `y`; (3) call `keras_repreg.label_aware(model)` once, "
    "before `fit`. The copy made by `keras.models.clone_model` needs (3) again. `keras.wrappers` clone a model, so "
    "pass them a function that builds a label-aware model. In a custom training loop, use "
    "`keras_repreg.label_scope(y)`."
)

_scope = threading.local()


@contextlib.contextmanager
def label_scope(y: Any) -> Iterator[None]:
    """Pass `y`, the targets of a training batch, to the class-wise layers that are called in this context.

    For custom training loops:

    ```python
    with keras_repreg.label_scope(y):
        predictions = model(x, training=True)
    ```

    Args:
        y: The targets as passed to `fit`: a tensor, or a dict, list or tuple of tensors.
    """
    outer = getattr(_scope, "y", None)
    _scope.y = y
    try:
        yield
    finally:
        _scope.y = outer


def current_labels(label_key: str | int | None = None) -> Tensor | None:
    """Return the labels of the innermost `label_scope` of this thread, or None outside of a scope.

    Args:
        label_key: The entry that holds the labels, if the targets are a dict, list or tuple; required if there are
            several entries.
    """
    y = getattr(_scope, "y", None)
    return None if y is None else select_target(y, label_key, "label_key")


def select_target(y: Any, key: str | int | None = None, name: str = "labels") -> Any:
    """Return the entry of the targets that holds the class labels.

    Args:
        y: Targets: an array or tensor, or a dict, list or tuple of these.
        key: The key or index of the entry; required if there are several entries.
        name: The name of `key` in error messages.

    Raises:
        ValueError: if there are several entries and `key` is not one of them.
    """
    if isinstance(y, (list, tuple)):
        y = dict(enumerate(y))
    if not isinstance(y, dict):
        return y
    keys = list(y)
    if key is None and len(keys) == 1:
        key = keys[0]
    if key not in keys:
        raise ValueError(
            f"Expected `{name}` to name the entry of the targets that holds the class labels, one of {keys}. "
            f"Received: {name}={key!r}"
        )
    return y[key]


def targets_of(batch: Any) -> Any:
    """Return the targets of a batch (x, y) or (x, y, sample_weight), or None for any other batch."""
    batch = tuple(batch) if isinstance(batch, list) else batch
    return batch[1] if isinstance(batch, tuple) and len(batch) in (2, 3) else None


def check_label_values(labels: NDArray[Any], *, soft: bool = False) -> None:
    """Check that an array of shape (N,), (N, 1) or (N, K) holds class labels.

    Ids are whole numbers. Rows are one-hot, or class probabilities: numbers >= 0 that sum to 1.

    Args:
        labels: Numbers of one of these shapes.
        soft: Whether soft labels are expected: rows of any numbers, where negative numbers count as zero, or shape (N,)
            or (N, 1) with the probability of the second of two classes.

    Raises:
        ValueError: if they are anything else, such as fractions, regression targets or multi-label rows.
    """
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        found = int(np.sum(~np.isfinite(labels)))
        raise ValueError(f"Expected `labels` without NaN or infinity. Received: {found} of them")
    labels = labels.astype(np.float64) if labels.dtype.kind == "f" or labels.dtype.itemsize < 4 else labels
    rows = labels.ndim == 2 and labels.shape[1] != 1
    if rows:
        sums = labels.sum(axis=1)
        fits = soft or ((labels >= 0).all() and (abs(sums - 1.0) < 0.01).all())
        expected = "rows of class probabilities: numbers >= 0 that sum to 1, such as one-hot rows"
    elif soft:
        fits = ((labels >= 0) & (labels <= 1)).all()
        expected = "probabilities of the second of two classes, from 0 to 1"
    else:
        whole = labels.dtype.kind in "biu" or (labels == np.floor(labels)).all()
        fits = bool(whole) and ((labels >= -(2**31)) & (labels < 2**31)).all()
        expected = (
            "class ids: whole numbers that fit in int32, or one-hot rows of shape (N, K). For smoothed binary labels "
            "of shape (N, 1), pass `soft_labels=True` or round them"
        )
    if not fits:
        raise ValueError(
            f"Expected `labels` to be {expected}. Received: shape {labels.shape}, such as {labels[:3].tolist()}"
        )


def sample_classes(labels: Any, samples: int) -> NDArray[Any]:
    """Return classes as an array of shape (N,) from labels of shape (N,), (N, 1) or (N, K).

    Args:
        labels: Class ids, strings, or one-hot or soft rows, whose largest entry is the class.
        samples: N.

    Raises:
        ValueError: if the shape or the number of labels is wrong, or they are not class labels: see
            `check_label_values`.
    """
    array = to_numpy(labels)
    if array.ndim not in (1, 2) or len(array) != samples or (samples and not array.size):
        raise ValueError(
            f"Expected `labels` of shape ({samples},), ({samples}, 1) or one-hot ({samples}, K). "
            f"Received: labels.shape={array.shape}"
        )
    strings = array.dtype.kind in "US" and (array.ndim == 1 or array.shape[1] == 1)
    if array.dtype.kind not in "biuf" and not strings:
        raise ValueError(
            "Expected `labels` to be class ids: whole numbers, strings or one-hot rows. "
            f"Received: dtype {array.dtype}, such as {array[:3].tolist()}"
        )
    if not strings:
        check_label_values(array)
    if array.ndim == 1:
        return array
    return array[:, 0] if array.shape[1] == 1 else array.argmax(axis=1)


def class_ids(labels: Tensor, z: Tensor, num_classes: int | None = None) -> Tensor:
    """Return integer class ids of shape (N,) from labels of shape (N,), (N, 1) or one-hot (N, K).

    Args:
        labels: Class ids, or one-hot or soft rows, whose largest entry is the class.
        z: The activations of the same samples, shape (N, M).
        num_classes: The required number of columns of one-hot labels, if known.

    Raises:
        ValueError: if the shape is none of these or ambiguous, the number of samples differs from that of `z`, the
            values are not class labels (see `check_label_values`; in compiled functions only shape and dtype are
            checked), or ids are in half precision (Keras casts float inputs of a layer to its compute dtype, which
            merges large ids).
    """
    labels, shape, dtype = _checked(labels, z, num_classes)
    if len(shape) == 2 and shape[1] != 1:
        if num_classes is not None and shape[1] != num_classes:
            raise ValueError(
                f"Expected one-hot `labels` with num_classes={num_classes} columns. Received: labels.shape={shape}"
            )
        _check_values(labels, dtype, soft=False)
        return ops.argmax(labels, axis=1)
    if dtype in ("float16", "bfloat16"):
        raise ValueError(
            "Expected class ids in an integer dtype: in half precision different ids become equal. Declare the "
            f"input as `keras.Input((), dtype='int32')`. Received: labels.dtype={dtype}"
        )
    _check_values(labels, dtype, soft=False)
    return ops.cast(ops.reshape(labels, (-1,)), "int32")


def responsibilities(labels: Tensor, z: Tensor, num_classes: int | None = None) -> Tensor:
    """Return soft labels as rows of shape (N, K): how much each sample belongs to each class.

    Args:
        labels: One-hot or soft rows, or the probability of the second of two classes, shape (N,) or (N, 1).
        z: The activations of the same samples, shape (N, M).
        num_classes: The required number of columns, if known.

    Raises:
        ValueError: if the shape is none of these, or the values are not class probabilities.
    """
    labels, shape, dtype = _checked(labels, z, num_classes)
    binary = (len(shape) == 1 or shape[1] == 1) and num_classes in (None, 2) and dtype.startswith(("float", "bfloat"))
    if not binary and (len(shape) != 2 or (shape[1] == 1 and num_classes != 1) or num_classes not in (None, shape[1])):
        width = "K" if num_classes is None else f"num_classes={num_classes}"
        raise ValueError(
            f"Expected soft `labels` of shape (N, {width}), the class probabilities of each sample, or floats of "
            "shape (N,) or (N, 1), the probability of the second of two classes. For class ids, pass "
            f"`soft_labels=False`. Received: labels.shape={shape}, labels.dtype={dtype}"
        )
    _check_values(labels, dtype, soft=True)
    if binary:
        second = ops.reshape(labels, (-1, 1))
        return ops.concatenate([1 - second, second], axis=1)
    return labels


def _checked(labels: Tensor, z: Tensor, num_classes: int | None) -> tuple[Tensor, tuple[int | None, ...], str]:
    """Return labels, their shape and their dtype, after checking that they are numbers of a valid shape."""
    labels = ops.convert_to_tensor(labels)
    if getattr(labels.shape, "rank", 0) is None:  # a TensorFlow function traced with several ranks
        raise ValueError("Expected `labels` of known rank. Received: labels of unknown rank")
    shape = tuple(labels.shape)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if dtype.startswith(("complex", "string")):
        raise ValueError(f"Expected `labels` to be numbers. Received: labels.dtype={dtype}")
    if shape[1:] == (None,) and num_classes is not None:
        # Fails at run time if the number of columns differs.
        labels = ops.reshape(labels, (ops.shape(labels)[0], num_classes))
        shape = (shape[0], num_classes)
    samples = z.shape[0]
    differ = None not in (*shape[:1], samples) and shape[:1] != (samples,)
    if len(shape) not in (1, 2) or differ or shape[1:] == (None,):
        raise ValueError(
            "Expected `labels` to be class ids of shape (N,) or (N, 1), or one-hot of shape (N, K) with a known K (or "
            f"`num_classes`), for N samples of activations. Received: labels.shape={shape}, "
            f"activations.shape={tuple(z.shape)}"
        )
    return labels, shape, dtype


def _check_values(labels: Tensor, dtype: str, *, soft: bool) -> None:
    """Check the values, unless the dtype and shape suffice or a function is being compiled."""
    if not soft and len(labels.shape) == 1 and dtype in ("bool", "int8", "int16", "int32", "uint8", "uint16"):
        return
    values = value_of(labels)
    if values is not None:
        check_label_values(values, soft=soft)
