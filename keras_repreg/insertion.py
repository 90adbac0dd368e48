"""Insert a penalty into an existing model."""

import warnings
from typing import Any

import keras

from keras_repreg import graph, seam
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization
from keras_repreg.models import is_label_aware, label_aware

METHODS = ("call", "compute_loss", "train_step", "test_step", "predict_step")


def insert(model: keras.Model, layer: Any, penalty: RepresentationRegularization) -> keras.Model:
    """Return a model with a penalty after a layer, which shares all layers and weights with the given model.

    The given model is not changed, except that training the new model trains its weights. The new model is a plain
    Sequential or functional model; a warning names methods of a custom class that it lacks. It is label aware if the
    penalty is class-wise or the given model is label aware. It is compiled like the given model, with a new optimizer
    of the same configuration.

    Args:
        model: A built Sequential or functional model, such as a pretrained one.
        layer: A layer, its name, or the path of a layer in a nested model ("backbone/dense"). If the output has several
            parts, the path can end with one of them ("backbone/pooled_output", "lstm/0").
        penalty: A representation regularizer that is not part of a model yet.

    Returns:
        The new model. Nested models that contain the layer are new as well.

    Raises:
        TypeError: if `model` is not a Keras model, `layer` is neither a layer nor a name, or `penalty` is not a
            representation regularizer.
        ValueError: if there is no such layer, it is an input, a model that contains it is neither Sequential nor
            functional, or such a model already has a layer with the name of the penalty.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(8, activation="relu", name="hidden"), keras.layers.Dense(3)
        ... ])
        >>> penalty = keras_repreg.ClasswiseVarianceRegularization(0.01, name="cw_vr")
        >>> model = keras_repreg.insert(model, "hidden", penalty)
        >>> [layer.name for layer in model.layers][:2]
        ['hidden', 'cw_vr']
    """
    if not isinstance(penalty, RepresentationRegularization):
        raise TypeError(f"Expected `penalty` to be a representation regularizer. Received: {penalty!r}")
    holders, part = _find(model, layer)
    for holder in holders[:-1]:
        if not (isinstance(holder, keras.Sequential) or graph.of(holder) is not None):
            raise ValueError(
                "Expected the layer to be in Sequential or functional models, whose graphs can be rebuilt. Received: "
                f"layer '{holders[-1].name}' of {type(holder).__name__} '{holder.name}'"
            )
    if isinstance(holders[-1], keras.layers.InputLayer):
        raise ValueError(f"Expected a layer that computes something. Received: the input '{holders[-1].name}'")
    names = [other.name for other in holders[-2].layers]
    if penalty.name in names:
        raise ValueError(f"Expected a penalty whose name is not one of {names}. Received: name={penalty.name!r}")
    target = holders.pop()
    new: Any = None
    while holders:
        holder = holders.pop()
        new = _rebuilt(holder, target, penalty if new is None else new, part if new is None else None, new is None)
        target = holder
    lost = [name for name in METHODS if seam.is_own_method(model, name)]
    if lost:
        warnings.warn(
            f"The new model is a {type(new).__name__}, without the {', '.join(lost)} of {type(model).__name__} "
            f"'{model.name}'.",
            stacklevel=2,
        )
    if hasattr(model, "output_names"):
        new.output_names = list(model.output_names)  # losses and metrics may refer to them
    if model.compiled:
        _compile_as(new, model)
    if isinstance(penalty, ClasswiseRegularization) or is_label_aware(model):
        label_aware(new)
    return new


def _find(model: keras.Model, layer: Any) -> tuple[list[Any], str | None]:
    """Return the models that contain a layer from the outermost inwards, then the layer, and the part of its output."""
    part = None
    try:
        found = graph.find_layer(model, layer)
    except ValueError as error:
        holder, _, part = layer.rpartition("/") if isinstance(layer, str) else ("", "", None)
        try:
            found = graph.find_layer(model, holder)
        except ValueError:
            raise error from None
        if part not in _parts(found):
            raise
    if part is None and _parts(found):
        raise ValueError(
            f"Expected one part of the output of layer '{found.name}', such as '{found.name}/{_parts(found)[0]}'. "
            f"Received: {layer!r}"
        )
    holders = _path(model, found)
    if holders is None:
        raise ValueError(
            "Expected a layer of the model or of a model within it, not one that another layer calls. "
            f"Received: layer '{graph.layer_path(model, found)}'"
        )
    return holders, part


def _parts(layer: keras.layers.Layer) -> list[str]:
    """Return the names of the parts of a layer's output, if it has several."""
    output = getattr(layer, "output", None)
    if isinstance(output, dict):
        return list(output)
    return [str(i) for i in range(len(output))] if isinstance(output, (list, tuple)) and len(output) > 1 else []


def _path(model: keras.Model, layer: keras.layers.Layer) -> list[Any] | None:
    for candidate in model.layers:
        if candidate is layer:
            return [model, layer]
        below = _path(candidate, layer) if isinstance(candidate, keras.Model) else None
        if below is not None:
            return [model, *below]
    return None


def _rebuilt(model: Any, target: Any, new: Any, part: str | None, after: bool) -> keras.Model:
    """Return the model with `new` after, or instead of, the layer `target`."""
    if isinstance(model, keras.Sequential):
        layers = [entry for other in model.layers for entry in _entries(other, target, new, after)]
        inputs = model.inputs[0]
        start = keras.Input(batch_shape=inputs.shape, dtype=inputs.dtype, name=inputs.name, sparse=inputs.sparse)
        return keras.Sequential([start, *layers], name=model.name)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is not target:
            return layer(*args, **kwargs)
        if not after:
            return new(*args, **kwargs)
        output = layer(*args, **kwargs)
        if part is None:
            return new(output)
        if isinstance(output, dict):
            return {**output, part: new(output[part])}
        return [new(tensor) if str(i) == part else tensor for i, tensor in enumerate(output)]

    # A plain model on the same tensors: the constructor of a subclass may differ, and the model is compiled later.
    plain = keras.Model(model.input, model.output, name=model.name)
    return keras.models.clone_model(plain, clone_function=lambda layer: layer, call_function=call)


def _entries(layer: Any, target: Any, new: Any, after: bool) -> list[Any]:
    if layer is not target:
        return [layer]
    return [layer, new] if after else [new]


def _compile_as(new: keras.Model, model: keras.Model) -> None:
    """Compile a model with the configuration of another one."""
    try:
        new.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError) as error:  # a loss or metric without a configuration
        warnings.warn(
            f"The new model is not compiled, because the configuration of '{model.name}' cannot be read: {error}",
            stacklevel=3,
        )
