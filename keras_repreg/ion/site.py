"""The units of a layer, and the operations on their way to the layers that take them."""

from dataclasses import dataclass, field
from typing import Any

from keras_repreg.ion.maps import Kind


@dataclass(frozen=True)
class Use:
    """An operation, and the positions of units in the tensor that it computes, passes on or takes.

    Attributes:
        operation: The layer or operation.
        index: Integers of shape (repetitions, units): positions along the last axis.
    """

    operation: Any
    index: Any = field(compare=False)


@dataclass(frozen=True)
class Limit:
    """A limit on the maps that a site allows.

    Attributes:
        kind: The most general kind of map allowed.
        reason: The reason, for messages.
        nonlinear: Whether the reason is an activation function or a maximum.
    """

    kind: Kind
    reason: str
    nonlinear: bool = False


@dataclass(frozen=True)
class Site:
    """The units of a layer, and the operations on their way to the layers that take them.

    Attributes:
        layer: The layer whose representation can be transformed.
        producers: The layers that compute units: the layer itself, and layers whose outputs are added to its output.
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
        """The number of units of the layer."""
        return int(self.producers[0].index.shape[1])

    @property
    def allows(self) -> Kind:
        """The most general kind of map that keeps the output."""
        return min((limit.kind for limit in self.limits), default=Kind.AFFINE)

    @property
    def nonlinear(self) -> str:
        """The reason why a general Q does not keep the output; empty for a linear layer (Theorem 1)."""
        return self.reason(Kind.LINEAR)

    def reason(self, kind: Kind) -> str:
        """Return why a kind of map does not keep the output; empty if it does."""
        return next((limit.reason for limit in self.limits if limit.kind < kind), "")
