"""Effects of a rewrite on further training although the outputs do not change: penalties and constraints."""

import warnings
from collections.abc import Iterable
from typing import Any

from keras import layers

from keras_repreg.layers.base import RepresentationRegularization


def warn_of_training_effects(
    changed: Iterable[tuple[Any, Any]],
    moved: Iterable[Any],
    *,
    order_only: bool = False,
    stacklevel: int,
) -> None:
    """Warn once if further training will differ.

    Args:
        changed: Pairs of a layer and its changed variable.
        moved: The operations whose outputs have changed.
        order_only: Whether units are only permuted, which affects no penalty or constraint.
        stacklevel: As for `warnings.warn`, relative to the caller.
    """
    if order_only:
        return
    changed, effects = list(changed), []
    penalized = [each for each in moved if _penalizes_its_output(each)]
    penalized += [layer for layer, each in changed if each.trainable and each.regularizer is not None]
    if penalized:
        effects.append(f"the penalties of {_names(penalized)} have changed")
    constrained = [layer for layer, each in changed if each.trainable and each.constraint is not None]
    if constrained:
        effects.append(f"the next step projects the weights of {_names(constrained)} onto their constraints")
    if effects:
        warnings.warn(
            f"The outputs do not change, but training will differ: {'; '.join(effects)}.", stacklevel=stacklevel + 1
        )


def _penalizes_its_output(operation: Any) -> bool:
    """Return whether an operation adds a loss that depends on its output."""
    if isinstance(operation, (RepresentationRegularization, layers.ActivityRegularization)):
        return True
    return getattr(operation, "activity_regularizer", None) is not None


def _names(operations: list[Any]) -> list[str]:
    return list(dict.fromkeys(operation.name for operation in operations))
