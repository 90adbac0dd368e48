"""The weights of layers rewritten, so that one is transformed and others undo it.

With the weights (the paper's W is Keras's kernel)

    W_l^T~ = Q W_l^T               b_l~ = Q (b_l - m)
    W_{l+1}^T~ = W_{l+1}^T Q^-1    b_{l+1}~ = b_{l+1} + W_{l+1}^T m

all is computed in float64, rounded once, and kept only if the model puts out the same. Whether Q and m are ones that a
theorem allows is not asked here: see `keras_repreg.ion.theorems`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64
from keras_repreg.ion.copying import copied
from keras_repreg.ion.maps import Kind, UnitMap
from keras_repreg.ion.probing import Probes, tolerance_of
from keras_repreg.ion.rules import FORWARD, INVERSE, row_of
from keras_repreg.ion.site import Site, find_site
from keras_repreg.ion.training_effects import warn_of_training_effects

Array = NDArray[np.float64]

_RECORD = "_repreg_rewrites"


@dataclass(frozen=True)
class Rewrite:
    """What was done to a layer and those that take its output.

    Attributes:
        layer: Name of the layer whose representation was transformed.
        consumer: Name of the layer that undoes it, the first if there are several.
        q: Q, shape (M, M).
        m: m, shape (M,).
        condition_number: Of Q, in the 2-norm.
        output_difference: Largest change of an output of the model or of a layer that undoes the transformation,
            relative to the largest magnitude, on random inputs and on the data given: rounding.
    """

    layer: str
    consumer: str
    q: Array
    m: Array
    condition_number: float
    output_difference: float


def rewrites(model: keras.Model) -> list[Rewrite]:
    """What this module did to a model, in order."""
    return list(vars(model).get(_RECORD, []))


class Draft:
    """New values of variables, in float64 until they are written."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[Any, Any, Array]] = {}
        self._moved: list[Any] = []
        self._old: list[tuple[Any, Any]] = []

    def copy(self) -> "Draft":
        """Another draft with the same values so far."""
        other = Draft()
        other.take(self)
        return other

    def take(self, other: "Draft") -> None:
        """Take over the values of another draft."""
        self._values, self._moved = dict(other._values), list(other._moved)

    def value(self, variable: Any) -> Array:
        """The value so far."""
        return self._values[id(variable)][2] if id(variable) in self._values else to_float64(variable)

    def set(self, layer: Any, variable: Any, value: Array) -> None:
        """A new value of a layer's variable."""
        self._values[id(variable)] = (layer, variable, value)
        rounded = _rounded(variable, value)
        with np.errstate(over="ignore", invalid="ignore"):
            computed = to_float64(ops.cast(rounded.astype(np.float32), layer.compute_dtype))
        if layer.compute_dtype == "float64":
            computed = rounded
        if not (np.isfinite(rounded).all() and np.isfinite(computed).all()):
            raise ValueError(
                f"Expected weights within the range of {layer.compute_dtype}, in which layer '{layer.name}' computes. "
                f"Received: values up to {np.abs(value).max(initial=0):.3g}"
            )

    def move(self, operations: Iterable[Any]) -> None:
        """Note operations whose outputs will be others."""
        self._moved += operations

    def write(self) -> None:
        """Write all values, keeping the old ones."""
        self._old = [(variable, _exact(variable)) for _, variable, _ in self._values.values()]
        for _, variable, value in self._values.values():
            variable.assign(_cast(variable, value))

    def restore(self) -> None:
        """Write the old values."""
        for variable, value in self._old:
            variable.assign(value)

    def commit(
        self,
        model: keras.Model,
        original: keras.Model,
        watched: Sequence[str] = (),
        *,
        probe: Any = None,
        random: bool = True,
        tolerance: float | None = None,
        order_only: bool = False,
        stacklevel: int = 2,
    ) -> float:
        """Write all values if the model then puts out what the original did.

        Args:
            model: Whose variables they are.
            original: The model, or that of which it is a copy.
            watched: Names of layers whose outputs are compared too.
            probe: Inputs from data, on which the outputs are compared, too.
            random: Whether they are compared on random inputs.
            tolerance: See `transform`.
            order_only: Whether units have only changed places.
            stacklevel: Of the warning about training: by default it points at the caller of the caller.

        Returns:
            The largest change of an output.

        Raises:
            RuntimeError: if an output changed by more than the tolerance; the weights are then as they were.
        """
        limit = tolerance_of(original, tolerance)
        probes = Probes(original, probe, watched, random=random)
        try:
            self.write()
            change = probes.change(model)
            if not change <= limit:
                raise RuntimeError(
                    f"The output changed by a share of {change:.2g}, more than the tolerance of {limit:.2g}; the "
                    "weights are as they were."
                )
        except BaseException:
            self.restore()
            raise
        changed = [(layer, variable) for layer, variable, _ in self._values.values()]
        warn_of_training_effects(model, changed, self._moved, order_only=order_only, stacklevel=stacklevel + 1)
        return change


def rewrite(
    model: keras.Model,
    site: Site,
    q: Array,
    shift: Array,
    *,
    dead: NDArray[np.bool_] | None = None,
    probe: Any = None,
    random: bool = True,
    tolerance: float | None = None,
    copy: bool = False,
    check: bool = True,
    stacklevel: int = 2,
) -> keras.Model:
    """Write the weights of the theorem.

    Args:
        model: The model.
        site: The units.
        q: Q, of the right shape.
        shift: m, of the right shape.
        dead: New units to set to zero, which then must not vary on the data.
        probe: Inputs of the model from data, on which its outputs are compared, too.
        random: Whether the outputs are compared on random inputs.
        tolerance: See `transform`.
        copy: As in `transform`.
        check: Whether the outputs must stay.
        stacklevel: Of the warning about training: by default it points at the caller of the caller.
    """
    original = model
    limit = tolerance_of(model, tolerance)
    unit_map = UnitMap(q, shift)
    condition = unit_map.condition_number if np.isfinite(q).all() else np.inf
    if not condition < 1 / float(np.finfo(np.float32).eps):
        raise ValueError(f"Expected a nonsingular `q`. Received: a matrix of condition number {condition:.3g}")
    if copy:
        model = copied(model)
        site = find_site(model, site.layer.name)
    draft = drafted(site, unit_map)
    if dead is not None:
        for use in site.producers:
            for parameter in row_of(use.operation).gives:
                variable = parameter.of(use.operation)
                if variable is not None:
                    heard = np.moveaxis(draft.value(variable), parameter.axis, -1) * (1.0 - dead)
                    draft.set(use.operation, variable, np.moveaxis(heard, -1, parameter.axis))
    # A layer whose own units move puts out something else.
    moving = {use.operation.name for use in site.producers}
    consumers = [use.operation.name for use in site.consumers if use.operation.name not in moving]
    if check:
        difference = draft.commit(
            model,
            original,
            consumers,
            probe=probe,
            random=random,
            tolerance=limit,
            order_only=unit_map.kind == Kind.PERMUTATION,
            stacklevel=stacklevel + 1,
        )
    else:
        draft.write()
        difference = np.nan
    done = Rewrite(site.layer.name, site.consumer.name, q, shift, condition, difference)
    vars(model).setdefault(_RECORD, []).append(done)
    return model


def drafted(site: Site, unit_map: UnitMap) -> Draft:
    """The values that a map asks for, of all that computes units, passes them on or takes them."""
    draft = Draft()
    draft.move(use.operation for use in (*site.producers, *site.passing))
    for use in site.producers:
        for parameter in row_of(use.operation).gives:
            _move(draft, use, parameter, unit_map, shift=parameter.name.endswith("bias"))
    for use in site.passing:
        for parameter in row_of(use.operation).moves:
            _move(draft, use, parameter, unit_map)
    for use in site.consumers:
        layer, row = use.operation, row_of(use.operation)
        if unit_map.m.any():
            bias, kernel = getattr(layer, row.bias), row.takes[0]
            taken = unit_map.taken(draft.value(kernel.of(layer)), kernel.axis, kernel.index(layer, use.index))
            draft.set(layer, bias, draft.value(bias) + taken)
        for parameter in row.takes:
            _move(draft, use, parameter, unit_map)
    return draft


def _move(draft: Draft, use: Any, parameter: Any, unit_map: UnitMap, *, shift: bool = False) -> None:
    variable = parameter.of(use.operation)
    if variable is None:
        return
    value, index = draft.value(variable), parameter.index(use.operation, use.index)
    if shift and unit_map.m.any():
        value = unit_map.shifted(value, index)
    move = {FORWARD: unit_map.forward, INVERSE: unit_map.inverse}.get(parameter.how, unit_map.reordered)
    draft.set(use.operation, variable, move(value, parameter.axis, index))


def _rounded(variable: Any, value: Array) -> Array:
    """The value as a variable of that dtype will hold it."""
    return to_float64(_cast(variable, value))


def _cast(variable: Any, value: Array) -> Any:
    dtype = keras.backend.standardize_dtype(variable.dtype)
    with np.errstate(over="ignore"):
        if dtype == "bfloat16":
            return ops.cast(value.astype(np.float32), dtype)
        return value.astype(dtype)


def _exact(variable: Any) -> Any:
    """The value, to be written back bit by bit."""
    return ops.copy(ops.convert_to_tensor(variable))
