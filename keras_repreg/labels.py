"""Labels as a side input of the class-wise layers.

A layer sees activations, not labels. There are three ways to let a class-wise layer have them:

1. pass them: `layer([z, labels])` with `labels = keras.Input((), dtype="int32")`;
2. train a `keras_repreg.Sequential` or `keras_repreg.Model` instead of Keras's own;
3. turn an existing model into such a one: `keras_repreg.label_aware(model)`.

The last two run `train_step` and `test_step` inside a `label_scope`, which the layers read. The scope belongs to
one thread, since `tf.distribute.MirroredStrategy` runs each replica's step, with its own labels, in a thread.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

Tensor = Any

THREE_DOORS = (
    "There are three ways to give a class-wise layer its labels: "
    "(1) pass them, `layer([z, labels])` or `layer(z, labels=labels)`, with `labels` a `keras.Input` of integers; "
    "(2) build the model as `keras_repreg.Sequential` or `keras_repreg.Model`; "
    "(3) call `keras_repreg.label_aware(model)` once, before `fit`."
)

_scope = threading.local()


@contextlib.contextmanager
def label_scope(y: Any) -> Iterator[None]:
    """Let the class-wise layers that are called inside see `y`, the targets of a training batch.

    For training loops of your own:

    ```python
    with keras_repreg.label_scope(y):
        predictions = model(x, training=True)
    ```

    Args:
        y: The targets as `fit` has them: a tensor, or a dict, list or tuple of tensors.
    """
    outer = getattr(_scope, "y", None)
    _scope.y = y
    try:
        yield
    finally:
        _scope.y = outer


def current_labels(label_key: str | int | None = None) -> Tensor | None:
    """The labels of the innermost `label_scope` of this thread, or None outside of any.

    Args:
        label_key: Which entry of dict, list or tuple targets are the labels; needed where there are several.
    """
    y = getattr(_scope, "y", None)
    if y is None:
        return None
    if isinstance(y, (list, tuple)):
        y = dict(enumerate(y))
    if not isinstance(y, dict):
        return y
    keys = list(y)
    if label_key is None and len(keys) == 1:
        label_key = keys[0]
    if label_key not in keys:
        raise ValueError(
            f"Expected `label_key` to be one of {keys}, to say which entry of the targets holds the class labels. "
            f"Received: label_key={label_key!r}"
        )
    return y[label_key]


def class_ids(labels: Tensor, z: Tensor, num_classes: int | None = None) -> Tensor:
    """Integer class ids of shape (N,) from labels of shape (N,), (N, 1) or one-hot (N, K).

    Args:
        labels: Class ids, or one-hot rows (of other rows the largest entry counts).
        z: The activations that they belong to, shape (N, M).
        num_classes: Number of columns that one-hot labels must have, where known.

    Raises:
        ValueError: if the shape is none of these or not known well enough to tell which, the number of samples is
            not that of `z`, labels are not numbers, or ids arrive in half precision (Keras casts float inputs of a
            layer to its compute dtype, which merges large ids).
    """
    labels, shape, dtype = _checked_labels(labels, z)
    if len(shape) == 2 and shape[1] != 1:
        if num_classes is not None and shape[1] != num_classes:
            raise ValueError(
                f"Expected one-hot `labels` with num_classes={num_classes} columns. Received: labels.shape={shape}"
            )
        return ops.argmax(labels, axis=1)
    if dtype in ("float16", "bfloat16"):
        raise ValueError(
            "Expected class ids in an integer dtype: in half precision different ids become equal. Declare the "
            f"input as `keras.Input((), dtype='int32')`. Received: labels.dtype={dtype}"
        )
    return ops.cast(ops.reshape(labels, (-1,)), "int32")


def responsibilities(labels: Tensor, z: Tensor, num_classes: int | None = None) -> Tensor:
    """Soft labels as they are: rows of shape (N, K), how much each sample belongs to each class.

    Args:
        labels: One-hot or soft rows.
        z: The activations that they belong to, shape (N, M).
        num_classes: Number of columns that they must have, where known.

    Raises:
        ValueError: if the shape is another.
    """
    labels, shape, _ = _checked_labels(labels, z)
    if len(shape) != 2 or (shape[1] == 1 and num_classes != 1) or num_classes not in (None, shape[1]):
        width = "K" if num_classes is None else f"num_classes={num_classes}"
        raise ValueError(
            f"Expected soft `labels` of shape (N, {width}), the classes' shares of each sample; class ids go without "
            f"`soft_labels=True`. Received: labels.shape={shape}"
        )
    return labels


def _checked_labels(labels: Tensor, z: Tensor) -> tuple[Tensor, tuple[int | None, ...], str]:
    """Labels, their shape and dtype, if they are numbers of a shape that labels can have."""
    labels = ops.convert_to_tensor(labels)
    shape = tuple(labels.shape)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if dtype.startswith(("complex", "string")):
        raise ValueError(f"Expected `labels` to be numbers. Received: labels.dtype={dtype}")
    samples = z.shape[0]
    differ = None not in (*shape[:1], samples) and shape[:1] != (samples,)
    if len(shape) not in (1, 2) or differ or shape[1:] == (None,):
        raise ValueError(
            "Expected `labels` to be class ids of shape (N,) or (N, 1), or one-hot of shape (N, K) with K known, for "
            f"N samples of activations. Received: labels.shape={shape}, activations.shape={tuple(z.shape)}"
        )
    return labels, shape, dtype


def _within_label_scope(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` (train_step or test_step) run inside a `label_scope` of its batch's targets."""

    @functools.wraps(step)
    def scoped_step(*args: Any, **kwargs: Any) -> Any:
        # The batch is the last argument on every backend: JAX passes (state, data), the others data.
        _, y, _ = keras.utils.unpack_x_y_sample_weight(args[-1] if args else kwargs["data"])
        with label_scope(y):
            return step(*args, **kwargs)

    return scoped_step


class LabelAware:
    """Mixin: steps that run inside a label scope, those of a subclass included."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name in ("train_step", "test_step"):
            if name in vars(cls):
                setattr(cls, name, _within_label_scope(vars(cls)[name]))

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        return _within_label_scope(super().train_step)(*args, **kwargs)  # type: ignore[misc]

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        return _within_label_scope(super().test_step)(*args, **kwargs)  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="keras_repreg")
class Sequential(LabelAware, keras.Sequential):
    """`keras.Sequential` whose class-wise layers see the labels given to `fit` and `evaluate`.

    It stays one when saved and loaded; `keras.models.clone_model` makes a plain one, to be given to `label_aware`.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras_repreg.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu"),
        ...     keras_repreg.ClasswiseVarianceRegularization(0.01),
        ...     keras.layers.Dense(3, activation="softmax"),
        ... ])
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> history = model.fit(np.ones((6, 4)), np.array([0, 1, 2, 0, 1, 2]), verbose=0)
    """


@keras.saving.register_keras_serializable(package="keras_repreg")
class Functional(LabelAware, keras.Model):
    """What `keras_repreg.Model(inputs, outputs)` makes.

    At its first functional construction Keras rewrites the bases of a class for good, after which it cannot be
    subclassed with a `call` of its own. A class of its own for that keeps `keras_repreg.Model` fit for both.
    """


class _ModelType(type(keras.Model)):  # type: ignore[misc]
    """Lets `Functional` count as a `Model`, of which it cannot be a subclass."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (cls is Model and isinstance(instance, Functional))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or (cls is Model and issubclass(subclass, Functional))


@keras.saving.register_keras_serializable(package="keras_repreg")
class Model(LabelAware, keras.Model, metaclass=_ModelType):
    """`keras.Model` whose class-wise layers see the labels given to `fit` and `evaluate`.

    Use it as `keras.Model`: with `inputs` and `outputs`, or as the base of a class with its own `call`.

    Examples:
        >>> import keras, keras_repreg
        >>> x = keras.Input((4,))
        >>> z = keras.layers.Dense(8, activation="relu")(x)
        >>> z = keras_repreg.ClasswiseVarianceRegularization(0.01)(z)
        >>> model = keras_repreg.Model(x, keras.layers.Dense(3)(z))
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _has_inputs_and_outputs(args, kwargs):
            return Functional(*args, **kwargs)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any):
        if _has_inputs_and_outputs(args, kwargs):
            # A subclass that builds a graph: it is the subclass whose bases are to change, not this class.
            for cls in type(self).__mro__:
                if Model in cls.__bases__:
                    cls.__bases__ = tuple(Functional if base is Model else base for base in cls.__bases__)
            Functional.__init__(self, *args, **kwargs)
        else:
            super().__init__(*args, **kwargs)


def _has_inputs_and_outputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return len(args) + ("inputs" in kwargs) + ("outputs" in kwargs) >= 2


def label_aware(model: keras.Model) -> keras.Model:
    """Let the class-wise layers of an existing model see the labels given to `fit` and `evaluate`.

    Changes the instance, not its class, and nothing about its weights or outputs. A model that is loaded from a file,
    cloned or copied is plain again: call it once more.

    Args:
        model: Any Keras model, compiled or not.

    Returns:
        The same model.

    Raises:
        TypeError: if `model` is not a `keras.Model`.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.layers.Dense(8, activation="relu"),
        ...     keras_repreg.ClasswiseVarianceRegularization(0.01),
        ...     keras.layers.Dense(3, activation="softmax"),
        ... ])
        >>> model = keras_repreg.label_aware(model)
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a `keras.Model`. Received: {model!r} of type {type(model).__name__}")
    if isinstance(model, LabelAware) or getattr(model, "_repreg_label_aware", False):
        return model
    model.train_step = _within_label_scope(model.train_step)
    model.test_step = _within_label_scope(model.test_step)
    model._repreg_label_aware = True
    # Functions compiled before would go on without the scope.
    model.train_function = None
    model.test_function = None
    return model
