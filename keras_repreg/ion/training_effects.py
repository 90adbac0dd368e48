"""What a rewrite changes although the outputs stay: penalties, constraints and the state of an optimizer."""

import warnings
from collections.abc import Iterable
from typing import Any

import keras
from keras import layers

from keras_repreg.arrays import to_float64
from keras_repreg.layers.base import RepresentationRegularization


def warn_of_training_effects(
    model: keras.Model,
    changed: Iterable[tuple[Any, Any]],
    moved: Iterable[Any],
    *,
    order_only: bool = False,
    stacklevel: int,
) -> None:
    """Warn once if further training will differ.

    Args:
        model: The model as it is now.
        changed: Each variable that was changed, after its layer.
        moved: The operations whose outputs have changed.
        order_only: Whether units have only changed places, which no penalty or constraint depends on.
        stacklevel: As for `warnings.warn`, where this function is called.
    """
    changed, moved, effects = list(changed), list(moved), []
    if not order_only:
        penalized = [each for each in moved if _penalizes_its_output(each)]
        penalized += [layer for layer, each in changed if each.trainable and each.regularizer is not None]
        if penalized:
            effects.append(f"the penalties of {_names(penalized)} have other values")
        constrained = [layer for layer, each in changed if each.trainable and each.constraint is not None]
        if constrained:
            effects.append(f"the next step projects the weights of {_names(constrained)} onto their constraints")
    if any(each.trainable for _, each in changed) and _has_state(getattr(model, "optimizer", None)):
        effects.append("the optimizer's state, such as momenta, belongs to the old weights: compile the model again")
    if effects:
        warnings.warn(f"The outputs stay, but training will differ: {'; '.join(effects)}.", stacklevel=stacklevel + 1)


def _penalizes_its_output(operation: Any) -> bool:
    """Whether an operation adds a loss that depends on its output."""
    if isinstance(operation, (RepresentationRegularization, layers.ActivityRegularization)):
        return True
    return getattr(operation, "activity_regularizer", None) is not None


def _has_state(optimizer: Any) -> bool:
    """Whether an optimizer has taken steps and remembers something about each weight."""
    if optimizer is None or not optimizer.built or not int(optimizer.iterations):
        return False
    return any(len(each.shape) > 0 and to_float64(each).any() for each in optimizer.variables)


def _names(operations: list[Any]) -> list[str]:
    return list(dict.fromkeys(operation.name for operation in operations))
