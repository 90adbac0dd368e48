"""Where a representation can be transformed: everything that computes, passes on or takes the units of a layer.

Theorems 1 and 2 need two affine layers, the second of which takes the output of the first. Whatever commutes with the
transformation may stand between them; where outputs are added, all layers that compute a term are transformed alike;
and where several layers take the output, each undoes the transformation.
"""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_repreg import graph
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.network import Network
from keras_repreg.ion.rules import Row, activation_kind, mixes_units, positions, repeated, row_of, unknown_activation


@dataclass(frozen=True)
class Use:
    """One operation and where the units are in what it gives, passes on or takes.

    Attributes:
        operation: The layer or operation.
        index: Integers of shape (repetitions, units): positions along the last axis.
    """

    operation: Any
    index: Any = field(compare=False)


@dataclass(frozen=True)
class Limit:
    """What keeps a site from more general maps.

    Attributes:
        kind: The most general kind of map that is left.
        reason: Why, in words.
        nonlinear: Whether it is because of an activation function or a maximum.
    """

    kind: Kind
    reason: str
    nonlinear: bool = False


@dataclass(frozen=True)
class Site:
    """The units of a layer on their way to the layers that take them.

    Attributes:
        layer: The layer whose representation can be transformed.
        producers: What computes units: the layer, and layers whose outputs are added to its.
        passing: What the units pass through.
        consumers: The layers that undo the transformation.
        limits: What narrows the maps that keep the output.
        mixing: Names of operations in which what becomes of a unit depends on others.
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
        """What stands between that commutes with no general Q; empty for a linear layer (Theorem 1)."""
        return self.reason(Kind.LINEAR)

    def reason(self, kind: Kind) -> str:
        """Why a kind of map does not keep the output, empty if it does."""
        return next((limit.reason for limit in self.limits if limit.kind < kind), "")


def find_site(model: keras.Model, layer: Any) -> Site:
    """The layer with all that its units pass and that takes them.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: if not even another order of the units could be undone: the layer has no kernel of its own, its
            output is an output of the model, something takes it that no rule describes, or a layer is used more
            than once.
    """
    layer = own_layer(model, layer)
    return search(Network(model), layer)


def own_layer(model: keras.Model, layer: Any) -> Any:
    """The layer, from the layer or its name, which must be one of the model's own.

    Raises:
        TypeError, ValueError: see `graph.find_layer`; ValueError if it belongs to a model within the model.
    """
    layer = graph.find_layer(model, layer)
    if not any(candidate is layer for candidate in model.layers):
        raise ValueError(
            f"Expected a layer of the model itself; to rewrite a model within '{model.name}', pass that model. "
            f"Received: layer '{layer.name}'"
        )
    return layer


def search(network: Network, layer: Any, *, start: Row | None = None, stop: Any = None) -> Site:
    """`find_site` in a network that has been read.

    Args:
        network: The network.
        layer: Where the units are computed.
        start: The row of `layer`, by default that of the table.
        stop: A layer that counts as one that takes the units.
    """
    row = row_of(layer) if start is None else start
    _check(network, layer, row, "the layer to transform")
    if not row.gives:
        raise ValueError(
            "Expected the layer to transform to compute units with a kernel of its own, such as a Dense or "
            f"convolutional layer. Received: '{layer.name}' of type {type(layer).__name__}"
        )
    found = _Search(network, layer, stop)
    found.begin(layer, row, of_its_own=start is None)
    if not found.consumers:
        raise ValueError(f"Expected a layer to take the output of '{layer.name}'. Received: none")
    return Site(
        layer,
        tuple(found.producers),
        tuple(found.passing),
        tuple(found.consumers),
        tuple(sorted(found.limits, key=lambda limit: limit.kind)),
        tuple(found.mixing),
    )


def _width(operation: Any) -> int:
    return int(operation.output.shape[-1] or 0)


class _Search:
    """Follows units forward to what takes them, and backward to what else computes them."""

    def __init__(self, network: Network, layer: Any, stop: Any):
        self._network, self._layer, self._stop = network, layer, stop
        self._reached: dict[str, Any] = {}
        self.producers: list[Use] = []
        self.passing: list[Use] = []
        self.consumers: list[Use] = []
        self.limits: list[Limit] = []
        self.mixing: list[str] = []

    def begin(self, operation: Any, row: Row, *, of_its_own: bool) -> None:
        """Units are computed here, all of them; by what is not asked if they are not the layer's own."""
        index = np.arange(_width(operation))[None]
        if of_its_own:
            self._produced(operation, row, index)
        else:
            self.producers.append(Use(operation, index))
            self._reach(operation, index)

    def _produced(self, operation: Any, row: Row, index: Any) -> None:
        """Units are computed here."""
        if unknown := unknown_activation(operation):
            raise ValueError(
                "Expected a linear layer (Theorem 1), or an activation function that commutes with the order of units. "
                f"Received: layer '{operation.name}' {unknown}"
            )
        self.producers.append(Use(operation, index))
        self._limit_by_activation(operation)
        if mixes_units(operation, row):
            self.mixing.append(operation.name)
        if not getattr(operation, "use_bias", False):
            name = f"no bias to take up m: layer '{operation.name}' with use_bias=False"
            self.limits.append(Limit(Kind.LINEAR, name))
        self._reach(operation, index)

    def _limit_by_activation(self, operation: Any) -> None:
        kind = activation_kind(getattr(operation, "activation", None))
        if kind is not None and kind < Kind.AFFINE:
            name = operation.activation.__name__
            name = "ReLU" if name == "relu" else name
            self.limits.append(Limit(kind, f"the {name} of layer '{operation.name}'", nonlinear=True))

    def _reach(self, operation: Any, index: Any) -> None:
        """The output of an operation holds units."""
        name = operation.name
        if self._known(operation, index):
            return
        self._reached[name] = index
        self._continue(operation, index)

    def _continue(self, operation: Any, index: Any) -> None:
        """Follow units to all that takes them."""
        name, links = operation.name, self._network.links
        if not links.used_once(operation):
            raise ValueError(
                "Expected layers that are used once, or what is changed for one use is changed for the others. "
                f"Received: shared layer '{name}'"
            )
        if links.is_output(operation):
            raise ValueError(
                "Expected a hidden layer, whose output another layer takes. "
                f"Received: layer '{self._layer.name}', whose units reach an output of the model"
            )
        for consumer in links.consumers(operation):
            self._forward(consumer, operation, index)

    def _known(self, operation: Any, index: Any) -> bool:
        """Whether units have been found here before."""
        known = self._reached.get(operation.name)
        if known is not None and not np.array_equal(known, index):
            raise ValueError(
                f"Expected the units of '{self._layer.name}' to be in one place in each tensor. "
                f"Received: several places in the output of '{operation.name}'"
            )
        return known is not None

    def _forward(self, operation: Any, source: Any, index: Any) -> None:
        """An operation takes units."""
        row = row_of(operation)
        if operation is self._stop:
            self.consumers.append(Use(operation, index))
            return
        _check(self._network, operation, row, f"what takes the output of '{self._layer.name}'")
        sources = self._network.sources(operation)
        if row.takes:
            if any(each is not source for each in sources):
                raise ValueError(
                    f"Expected '{operation.name}' to take one tensor. Received: {[each.name for each in sources]}"
                )
            if not self._network.links.used_once(operation):
                raise ValueError(
                    "Expected layers that are used once, or what is changed for one use is changed for the others. "
                    f"Received: shared layer '{operation.name}'"
                )
            self.consumers.append(Use(operation, index))
            self._limit(row.taken(operation), operation, _why_no_shift(operation))
            return
        self._check_passing(operation, row)
        places = [i for i, each in enumerate(sources) if each is source]
        after = self._passed(operation, row, sources, places, index)
        if not self._known(operation, after):
            self._pass(operation, row, sources, index, after)

    def _backward(self, operation: Any, index: Any) -> None:
        """The output of an operation is added to units, so that it must move as they do."""
        if self._known(operation, index):
            return
        row = row_of(operation)
        _check(self._network, operation, row, f"what is combined with the output of '{self._layer.name}'")
        if row.gives:
            self._produced(operation, row, index)
            return
        self._check_passing(operation, row)
        sources = self._network.sources(operation)
        if isinstance(operation, layers.Concatenate) and _joins_units(operation):
            source, before = _within_one(operation, sources, index)
        else:
            alike = [each for each in sources if _width(each) == _width(operation)]
            if not alike:
                raise ValueError(
                    f"Expected units that are in one place. Received: repeated or computed from others by "
                    f"'{operation.name}'"
                )
            source, before = alike[0], index
        self._pass(operation, row, sources, before, index)
        self._backward(source, before)

    def _pass(self, operation: Any, row: Row, sources: list[Any], before: Any, after: Any) -> None:
        """Units pass through an operation: before in its inputs, after in its output."""
        self.passing.append(Use(operation, before))
        self._reached[operation.name] = after
        assert row.passes is not None
        self._limit(row.passes(operation), operation)
        if mixes_units(operation, row):
            self.mixing.append(operation.name)
        merged = len(sources) > 1 and not (isinstance(operation, layers.Concatenate) and _joins_units(operation))
        if merged:
            for other in sources:
                if _width(other) == 1 and _width(operation) != 1:
                    self._limit(Kind.PERMUTATION, operation)
                    continue
                self._backward(other, before)
        self._continue(operation, after)

    def _check_passing(self, operation: Any, row: Row) -> None:
        if row.passes is None:
            raise ValueError(
                f"Expected a layer with a kernel to take the output of '{self._layer.name}', with nothing between "
                "that does not commute with the order of units. "
                f"Received: '{operation.name}' of type {type(operation).__name__}"
            )
        constants = self._network.constants(operation)
        if not isinstance(operation, layers.Layer) and not all(np.isscalar(value) for value in constants):
            raise ValueError(f"Expected one constant for all units. Received: an array in '{operation.name}'")

    def _passed(self, operation: Any, row: Row, sources: list[Any], places: list[int], index: Any) -> Any:
        """Where units are in the output."""
        if isinstance(operation, (layers.Flatten, layers.Reshape)):
            times, width = positions(operation), operation.input.shape[-1]
            return np.concatenate([index + width * i for i in range(times)])
        if isinstance(operation, layers.Concatenate) and _joins_units(operation):
            starts = np.cumsum([0, *(_width(each) for each in sources)])
            return np.concatenate([index + starts[place] for place in places])
        if getattr(operation, "depth_multiplier", 1) != 1:
            return repeated(index, operation.depth_multiplier)
        return index

    def _limit(self, kind: Kind, operation: Any, reason: str = "") -> None:
        if kind < Kind.AFFINE:
            text = reason or f"layer '{operation.name}' of type {type(operation).__name__}"
            if type(operation) is layers.BatchNormalization:
                text += "; ion.fold_batch_norm may take it out"
            nonlinear = kind < Kind.LINEAR and not row_of(operation).moves
            self.limits.append(Limit(kind, text, nonlinear))


def _joins_units(concatenate: Any) -> bool:
    return concatenate.axis in (-1, len(concatenate.output.shape) - 1)


def _within_one(operation: Any, sources: list[Any], index: Any) -> tuple[Any, Any]:
    """The one tensor among those concatenated that holds all units, and where."""
    starts = np.cumsum([0, *(_width(each) for each in sources)])
    for source, start, end in zip(sources, starts[:-1], starts[1:], strict=True):
        if ((index >= start) & (index < end)).all():
            return source, index - start
    raise ValueError(f"Expected units of one tensor. Received: those that '{operation.name}' joins")


def _check(network: Network, operation: Any, row: Row, role: str) -> None:
    """That a row describes the operation, called as usual, with one output."""
    received = f"'{operation.name}' of type {type(operation).__name__}"
    if network.links.always_training(operation):
        raise ValueError(
            "Expected layers that do at inference what they are made for. "
            f"Received: '{operation.name}', which is called with training=True"
        )
    if isinstance(operation, layers.Layer) and not operation.built:
        raise ValueError(f"Expected a built model: call it once on data. Received: layer {received} without weights")
    if reason := row.refuses(operation):
        raise ValueError(f"Expected {role} to be a layer that a rule describes. Received: {received} {reason}")
    if isinstance(operation.output, (list, tuple, dict)) and not row.takes:
        raise ValueError(f"Expected {role} to have one output. Received: {received}")


def _why_no_shift(operation: Any) -> str:
    if not getattr(operation, "use_bias", True):
        return f"no bias to take up m: layer '{operation.name}' with use_bias=False"
    if getattr(operation, "padding", "valid") != "valid":
        padding = f"layer '{operation.name}' with padding='{operation.padding}'"
        return f"zeros around the input, which m would not reach: {padding}"
    return ""
