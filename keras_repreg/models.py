"""Label-aware models, whose class-wise layers receive the labels given to `fit` and `evaluate`."""

import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_repreg import seam
from keras_repreg.label_checks import check_run
from keras_repreg.labels import label_scope, targets_of
from keras_repreg.steps import batch_of, step_scope


def _in_scopes(model: keras.Model, training: bool, step: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run `train_step` or `test_step` inside the label scope of its batch."""
    batch = batch_of(args, kwargs)
    y = targets_of(batch)
    with step_scope(model, batch, training=training):
        if y is None:  # a custom batch format, whose step must open a scope itself
            return step(*args, **kwargs)
        with label_scope(y):
            return step(*args, **kwargs)


class LabelAware:
    """Mixin that runs training and evaluation steps, including those of subclasses, inside a label scope."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name, training in (("train_step", True), ("test_step", False)):
            # The step of the class itself, or of a mixin that precedes this one.
            owner = next((base for base in cls.__mro__ if name in vars(base)), LabelAware)
            if not issubclass(owner, LabelAware) or owner is cls:
                setattr(cls, name, _scoped(vars(owner)[name], training))

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        return _in_scopes(self, True, super().train_step, args, kwargs)  # type: ignore[misc]

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        return _in_scopes(self, False, super().test_step, args, kwargs)  # type: ignore[misc]

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        return super().fit(check_run(self, x, y, kwargs), y, *args, **kwargs)  # type: ignore[misc]

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        return super().evaluate(check_run(self, x, y, kwargs), y, *args, **kwargs)  # type: ignore[misc]


def _scoped(step: Callable[..., Any], training: bool) -> Callable[..., Any]:
    def scoped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _in_scopes(self, training, step.__get__(self), args, kwargs)

    scoped.__name__, scoped.__doc__, scoped.__module__ = step.__name__, step.__doc__, step.__module__
    return scoped


@keras.saving.register_keras_serializable(package="keras_repreg")
class Sequential(LabelAware, keras.Sequential):
    """`keras.Sequential` whose class-wise layers receive the labels given to `fit` and `evaluate`.

    The model stays label aware when it is saved and loaded, pickled or copied. `keras.models.clone_model` returns a
    plain model; pass it to `label_aware`.

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


_KerasFunctional: Any = seam.functional_class()


@keras.saving.register_keras_serializable(package="keras_repreg")
class Functional(LabelAware, _KerasFunctional):
    """The class of `keras_repreg.Model(inputs, outputs)`."""


class _Model:
    """`keras.Model` whose class-wise layers receive the labels given to `fit` and `evaluate`.

    Use it as `keras.Model`: with `inputs` and `outputs`, or as the base of a class with its own `call`.

    Args:
        inputs: The input, or a list, tuple or dict of inputs.
        outputs: The output, or a structure of outputs.
        name: Name of the model.
        trainable: Whether its weights are trained.

    Returns:
        A label-aware functional model.

    Examples:
        >>> import keras, keras_repreg
        >>> x = keras.Input((4,))
        >>> z = keras.layers.Dense(8, activation="relu")(x)
        >>> z = keras_repreg.ClasswiseVarianceRegularization(0.01)(z)
        >>> model = keras_repreg.Model(x, keras.layers.Dense(3)(z))
    """

    # Keras rewrites the bases of a class whose instance is built from inputs and outputs. As a base class, `Model` is
    # therefore replaced by `LabelAware` and `keras.Model`, so that only the user's class is rewritten.
    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return LabelAware, keras.Model

    def __call__(self, inputs: Any, outputs: Any, name: str | None = None, *, trainable: bool = True) -> Functional:
        return Functional(inputs, outputs, name=name, trainable=trainable)

    # Support annotations such as `keras_repreg.Model | None`.
    def __or__(self, other: Any) -> Any:
        return LabelAware | other

    def __ror__(self, other: Any) -> Any:
        return other | LabelAware

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, LabelAware)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, LabelAware)


Model = _Model()
"""`keras.Model` whose class-wise layers receive the labels given to `fit` and `evaluate`.

Use it as `keras.Model`: call it with `inputs` and `outputs`, or subclass it and define `call`.
"""


class _StepWrapper:
    """Wraps the `train_step` or `test_step` of a model whose class is not label aware."""

    def __init__(self, model: keras.Model, training: bool):
        self._model, self._training = weakref.ref(model), training

    def __call__(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return _in_scopes(self._model(), self._training, step, args, kwargs)


class _LoopWrapper:
    """Wraps the `fit` or `evaluate` of a model whose class is not label aware."""

    def __init__(self, model: keras.Model):
        self._model = weakref.ref(model)

    def __call__(self, loop: Callable[..., Any], x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        return loop(check_run(self._model(), x, y, kwargs), y, *args, **kwargs)


def is_label_aware(model: keras.Model) -> bool:
    """Return whether the class-wise layers of a model receive the labels given to `fit` and `evaluate`."""
    around = seam.around(model, "train_step")
    return isinstance(model, LabelAware) or any(isinstance(function, _StepWrapper) for function in around)


def label_aware(model: keras.Model) -> keras.Model:
    """Pass the labels given to `fit` and `evaluate` to the class-wise layers of an existing model.

    Weights and outputs do not change. A Sequential or functional model becomes a `keras_repreg` model, which stays
    label aware when it is saved and loaded, pickled or copied. For a model of a custom class, only this instance
    changes: call this function again after loading, or derive the class from `keras_repreg.Model`.

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
    if is_label_aware(model):
        return model
    kind = {keras.Sequential: Sequential, _KerasFunctional: Functional}.get(type(model))
    if kind is not None:
        seam.become(model, kind)
    else:
        for name, training in (("train_step", True), ("test_step", False)):
            seam.replace_method(model, name, _StepWrapper(model, training))
        for name in ("fit", "evaluate"):
            seam.replace_method(model, name, _LoopWrapper(model))
    seam.forget_compiled(model)
    return model
