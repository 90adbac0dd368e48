"""The units of a layer on their way to the layers that take them."""

from dataclasses import dataclass, field
from typing import Any

from keras_repreg.ion.maps import Kind


@dataclass(frozen=True)
class Use:
    """An operation, and where the units are in the tensor that it gives, passes on or takes.

    Attributes:
        operation: The layer or operation.
        index: Integers of shape (repetitions, units): positions along the last axis.
    """

    operation: Any
    index: Any = field(compare=False)


@dataclass(frozen=True)
class Limit:
    """A reason why a site allows no more general maps.

    Attributes:
        kind: The most general kind of map that is left.
        reason: Why, in words.
        nonlinear: Whether the reason is an activation function or a maximum.
    """

    kind: Kind
    reason: str
    nonlinear: bool = False


@dataclass(frozen=True)
class Site:
    """The units of a layer on their way to the layers that take them.

    Attributes:
        layer: The layer whose representation can be transformed.
        producers: The layers that compute units: the layer itself, and those whose outputs are added to its output.
        passing: The operations that the units pass through.
        consumers: The layers that undo the transformation.
        limits: Limits on the maps that keep the output.
        mixing: Names of operations in which the result for a unit depends on other units.
    """

    layer: Any
    producers: tuple[Use, ...]
    passing: tuple[Use, ...]
    consumers: tuple[Use, ...]
    limits: tuple[Limit, ...] = ()
    mixing: tuple[str, ...] = ()

    @property
    def consumer(self) -> Any:
        """The first of the layers that undo the transformation."""
        return self.consumers[0].operation

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return int(self.producers[0].index.shape[1])

    @property
    def allows(self) -> Kind:
        """The most general kind of map that keeps the output."""
        return min((limit.kind for limit in self.limits), default=Kind.AFFINE)

    @property
    def nonlinear(self) -> str:
        """Why a general Q does not keep the output; empty for a linear layer (Theorem 1)."""
        return self.reason(Kind.LINEAR)

    def reason(self, kind: Kind) -> str:
        """Why a kind of map does not keep the output, empty if it does."""
        return next((limit.reason for limit in self.limits if limit.kind < kind), "")
