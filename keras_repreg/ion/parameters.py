"""How parameters move along with units, and what a kind of layer does with them: the columns of the table of rules."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_repreg.ion.maps import Kind

# How a parameter moves along with units: like them, with their order alone, or so that their product with it stays.
FORWARD, ORDER, INVERSE = "forward", "order", "inverse"


@dataclass(frozen=True)
class Parameter:
    """A parameter with an axis along which its entries belong to units.

    Attributes:
        name: The layer's attribute, or several joined by dots.
        axis: The axis.
        how: How it moves: FORWARD, ORDER or INVERSE.
        repeats: The layer's attribute that holds how many times each unit is repeated along the axis, consecutively.
    """

    name: str
    axis: int
    how: str
    repeats: str = ""

    def of(self, layer: Any) -> Any:
        """The variable, or None if the layer has none."""
        return functools.reduce(lambda part, name: getattr(part, name, None), self.name.split("."), layer)

    def index(self, layer: Any, index: Any) -> Any:
        """Where the units are along the axis."""
        return repeated(index, getattr(layer, self.repeats)) if self.repeats else index


@dataclass(frozen=True)
class Row:
    """What one kind of layer does with units.

    Attributes:
        passes: The most general kind of map that it commutes with, as a function of the layer, or None if it passes
            no units on.
        moves: Parameters that move with units that pass.
        mixes: Whether the result for a unit depends on other units, so that none can be removed.
        gives: Parameters that move with the units that it computes.
        takes: Parameters that move with the units that it takes into a product.
        taken: The most general kind of map that they can undo, as a function of the layer.
        bias: The bias that takes up m, for units that it takes.
        refuses: Why the row does not describe a layer of this kind; empty if it does.
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
    """The index of units of which each is repeated `times` times, one after another."""
    return np.concatenate([index * times + i for i in range(times)])
