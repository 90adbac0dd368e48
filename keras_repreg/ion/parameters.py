"""The columns of the table of rules: how parameters move with units, and what a kind of layer does with units."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_repreg.ion.maps import Kind

# How a parameter moves with units: like them, only with their order, or inversely, to preserve their product with it.
FORWARD, ORDER, INVERSE = "forward", "order", "inverse"


@dataclass(frozen=True)
class Parameter:
    """A parameter with an axis of units.

    Attributes:
        name: The attribute of the layer, or several joined by dots.
        axis: The axis.
        how: How it moves: FORWARD, ORDER or INVERSE.
        repeats: The attribute of the layer with the number of consecutive repetitions of each unit along the axis.
    """

    name: str
    axis: int
    how: str
    repeats: str = ""

    def of(self, layer: Any) -> Any:
        """The variable, or None if the layer has none."""
        return functools.reduce(lambda part, name: getattr(part, name, None), self.name.split("."), layer)

    def index(self, layer: Any, index: Any) -> Any:
        """Return the positions of the units along the axis."""
        return repeated(index, getattr(layer, self.repeats)) if self.repeats else index


@dataclass(frozen=True)
class Row:
    """The rule for one kind of layer.

    Attributes:
        passes: The most general kind of map that it commutes with, as a function of the layer, or None if units do not
            pass through it.
        moves: Parameters that move with units that pass through.
        mixes: Whether the result for a unit depends on other units, so that none can be removed.
        gives: Parameters that move with the units that it computes.
        takes: Parameters that move with the units that it takes as input of a product.
        taken: The most general kind of map that they can undo, as a function of the layer.
        bias: The bias that absorbs m, for units that it takes.
        refuses: A function of the layer that returns why the rule does not apply; empty if it does.
    """

    passes: Callable[[Any], Kind] | None = None
    moves: tuple[Parameter, ...] = ()
    mixes: bool = False
    gives: tuple[Parameter, ...] = ()
    takes: tuple[Parameter, ...] = ()
    taken: Callable[[Any], Kind] = field(default=lambda layer: Kind.LINEAR)
    bias: str = ""
    refuses: Callable[[Any], str] = field(default=lambda layer: "")


def repeated(index: Any, times: int) -> Any:
    """Return the index of units that are each repeated `times` times consecutively."""
    return np.concatenate([index * times + i for i in range(times)])
