"""Follow units forward to the layers that take them, and backward to other layers that compute them."""

from typing import Any

import numpy as np
from keras import layers

from keras_repreg import graph
from keras_repreg.ion.elementwise import activation_kind, mixes_units, unknown_activation
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.parameters import Row, repeated
from keras_repreg.ion.rules import positions, row_of
from keras_repreg.ion.site import Limit, Use


def _width(operation: Any) -> int:
    return int(operation.output.shape[-1] or 0)


class Trace:
    """Follows units forward to the layers that take them, and backward to other layers that compute them."""

    def __init__(self, links: graph.Graph, layer: Any, stop: Any):
        self._links, self._layer, self._stop = links, layer, stop
        self._reached: dict[str, Any] = {}
        self.producers: list[Use] = []
        self.passing: list[Use] = []
        self.consumers: list[Use] = []
        self.limits: list[Limit] = []
        self.mixing: list[str] = []

    def begin(self, operation: Any, row: Row, *, computes_units: bool) -> None:
        """Start from the units of an operation; `computes_units` is whether the operation computes them by its rule."""
        index = np.arange(_width(operation))[None]
        if computes_units:
            self._produced(operation, row, index)
        else:
            self.producers.append(Use(operation, index))
            self._reach(operation, index)

    def _produced(self, operation: Any, row: Row, index: Any) -> None:
        """Handle an operation that computes units."""
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
            name = f"no bias to absorb m: layer '{operation.name}' with use_bias=False"
            self.limits.append(Limit(Kind.LINEAR, name))
        self._reach(operation, index)

    def _limit_by_activation(self, operation: Any) -> None:
        kind = activation_kind(getattr(operation, "activation", None))
        if kind is not None and kind < Kind.AFFINE:
            name = operation.activation.__name__
            name = "ReLU" if name == "relu" else name
            self.limits.append(Limit(kind, f"the {name} of layer '{operation.name}'", nonlinear=True))

    def _reach(self, operation: Any, index: Any) -> None:
        """Handle an operation whose output contains units."""
        name = operation.name
        if self._known(operation, index):
            return
        self._reached[name] = index
        self._continue(operation, index)

    def _continue(self, operation: Any, index: Any) -> None:
        """Follow units to all operations that take them."""
        links = self._links
        if links.is_output(operation):
            raise ValueError(
                "Expected a hidden layer, whose output another layer takes. "
                f"Received: layer '{self._layer.name}', whose units reach an output of the model"
            )
        for consumer in links.consumers(operation):
            self._forward(consumer, operation, index)

    def _known(self, operation: Any, index: Any) -> bool:
        """Return whether units have already been found here."""
        known = self._reached.get(operation.name)
        if known is not None and not np.array_equal(known, index):
            raise ValueError(
                f"Expected the units of '{self._layer.name}' to be in one place in each tensor. "
                f"Received: several places in the output of '{operation.name}'"
            )
        return known is not None

    def _forward(self, operation: Any, source: Any, index: Any) -> None:
        """Handle an operation that takes units."""
        row = row_of(operation)
        if operation is self._stop:
            self.consumers.append(Use(operation, index))
            return
        role = f"the operation that takes the output of '{self._layer.name}'"
        check(self._links, operation, row, role, one_output=not row.takes)
        sources = self._links.sources(operation)
        if row.takes:
            if any(each is not source for each in sources):
                raise ValueError(
                    f"Expected '{operation.name}' to take one tensor. Received: {[each.name for each in sources]}"
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
        """Handle an operation whose output is added to units, and so must be transformed like them."""
        if self._known(operation, index):
            return
        row = row_of(operation)
        check(self._links, operation, row, f"the operation combined with the output of '{self._layer.name}'")
        if row.gives:
            self._produced(operation, row, index)
            return
        self._check_passing(operation, row)
        sources = self._links.sources(operation)
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
        """Handle units that pass through an operation, given their positions in its inputs and output."""
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
                f"Expected a layer with a kernel to take the output of '{self._layer.name}', and all operations "
                f"between to commute with permutations of units. Received: '{operation.name}' of type "
                f"{type(operation).__name__}"
            )
        constants = self._links.constants(operation)
        if not isinstance(operation, layers.Layer) and not all(np.isscalar(value) for value in constants):
            raise ValueError(f"Expected one constant for all units. Received: an array in '{operation.name}'")

    def _passed(self, operation: Any, row: Row, sources: list[Any], places: list[int], index: Any) -> Any:
        """Return the positions of units in the output."""
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
                text += "; ion.fold_batch_norm may remove it"
            nonlinear = kind < Kind.LINEAR and not row_of(operation).moves
            self.limits.append(Limit(kind, text, nonlinear))


def _joins_units(concatenate: Any) -> bool:
    return concatenate.axis in (-1, len(concatenate.output.shape) - 1)


def _within_one(operation: Any, sources: list[Any], index: Any) -> tuple[Any, Any]:
    """Return the concatenated tensor that contains all units, and their positions in it."""
    starts = np.cumsum([0, *(_width(each) for each in sources)])
    for source, start, end in zip(sources, starts[:-1], starts[1:], strict=True):
        if ((index >= start) & (index < end)).all():
            return source, index - start
    raise ValueError(f"Expected units of a single tensor. Received: units concatenated by '{operation.name}'")


def check(links: graph.Graph, operation: Any, row: Row, role: str, *, one_output: bool = True) -> None:
    """Check that a rule applies to the operation, and that it is called once and for inference.

    Raises:
        ValueError: if not, or if it has several outputs although it must have one.
    """
    received = f"'{operation.name}' of type {type(operation).__name__}"
    if not links.used_once(operation):
        raise ValueError(
            "Expected layers that are used once, because a change would affect all uses. Received: shared layer "
            f"'{operation.name}'"
        )
    if links.always_training(operation):
        raise ValueError(
            "Expected layers that are called for inference. "
            f"Received: '{operation.name}', which is called with training=True"
        )
    if isinstance(operation, layers.Layer) and not operation.built:
        raise ValueError(f"Expected a built model: call it once on data. Received: layer {received} without weights")
    if reason := row.refuses(operation):
        raise ValueError(f"Expected {role} to be a layer with a rule. Received: {received} {reason}")
    if one_output and isinstance(operation.output, (list, tuple, dict)):
        raise ValueError(f"Expected {role} to have one output. Received: {received}")


def _why_no_shift(operation: Any) -> str:
    if not getattr(operation, "use_bias", True):
        return f"no bias to absorb m: layer '{operation.name}' with use_bias=False"
    if getattr(operation, "padding", "valid") != "valid":
        padding = f"layer '{operation.name}' with padding='{operation.padding}'"
        return f"zero padding of the input, to which m would not apply: {padding}"
    return ""
