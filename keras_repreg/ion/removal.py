"""Remove units, and add their contributions to the next biases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_repreg.ion.copying import compiled_alike, copied
from keras_repreg.ion.exactness import EVERY_INPUT, MEASURED, RemovedUnit, classified
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.null_space import without_null_space
from keras_repreg.ion.probing import Probes, tolerance_of
from keras_repreg.ion.shrinking import parameters_of, shrunk, width_key
from keras_repreg.ion.training_effects import warn_of_training_effects
from keras_repreg.ion.unit_values import UnitValues, repeatable


@dataclass(frozen=True)
class Removal:
    """A smaller network.

    Attributes:
        model: The new model, compiled like the old one.
        removed: The removed units.
        change: The largest change of an output, relative to the largest magnitude, caused by all removals together.
    """

    model: keras.Model
    removed: tuple[RemovedUnit, ...]
    change: float


def remove_units(
    model: keras.Model,
    layer: Any,
    units: Sequence[int] | None = None,
    data: Any = None,
    *,
    tolerance: float | None = None,
) -> Removal:
    """Return a smaller model without some units of a layer; the given model is not changed.

    A unit with the same value for every sample contributes a constant, which is added to the biases of the layers that
    take it. Without `units`, all units whose removal changes no output are removed: those whose incoming or outgoing
    weights are zero and, with `data`, those that are constant on it, such as dead units. For a linear layer, the
    constant directions are removed: the null space of its kernel, or of its covariance on the data.

    Args:
        model: A built Sequential or functional model.
        layer: A layer with a kernel, such as a Dense or convolutional layer, or its name.
        units: Indices of units to remove, exactly or not. A unit that varies is replaced by its mean.
        data: Inputs on which units are measured: see `keras_repreg.measure`. By default, means of `units` are measured
            on random inputs.
        tolerance: See `transform`.

    Returns:
        A `Removal` with the new model, and for each unit whether its removal is exact.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: if the layer's units cannot be followed to the layers that take them (see `survey`), a layer such as
            LayerNormalization computes each unit from all others, a constant cannot be added to a bias because of zero
            padding, `units` are not units of the layer, or no unit would remain.
        RuntimeError: if a removal that should be exact changed an output by more than `tolerance`.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(8, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> kernel, bias = model.layers[0].get_weights()
        >>> model.layers[0].set_weights([kernel, np.array([-100.0, 0, 0, 0, 0, 0, 0, -100.0])])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> removal = keras_repreg.ion.remove_units(model, "z", data=x)
        >>> [unit.unit for unit in removal.removed]
        [0, 7]
        >>> removal.model.get_layer("z").units
        6
    """
    find_site(model, layer)
    name = layer if isinstance(layer, str) else layer.name
    # Layers of the copy belong to no other model, so intermediate outputs can be observed.
    work = copied(model)
    site = find_site(work, name)
    if site.mixing:
        raise ValueError(
            f"Expected units that are computed independently. Received: {list(site.mixing)}, where each depends on all"
        )
    limit = tolerance_of(model, tolerance)
    probe, repeated = (None, None) if data is None else repeatable(data)
    chosen = None if units is None else _checked(units, site.units)
    for use in site.producers:
        if width_key(use.operation.get_config()) is None:
            raise ValueError(
                f"Expected layers with a configurable number of units. Received: '{use.operation.name}' of type "
                f"{type(use.operation).__name__}"
            )
    removed: list[RemovedUnit] = []
    if chosen is None and site.allows >= Kind.LINEAR and len(site.producers) == 1:
        site, removed = without_null_space(work, site, repeated)
        gone = list(range(site.units - len(removed), site.units))
    if not removed:
        unit_values = UnitValues(work, site, repeated)
        removed = classified(site, unit_values, chosen, repeated is not None)
        gone = [unit.unit for unit in removed if unit.unit is not None]
    else:
        unit_values = UnitValues(work, site, repeated)
    if len(gone) == site.units:
        if chosen is not None:
            raise ValueError(f"Expected at least one unit of '{name}' to remain. Received: units={units!r}")
        removed, gone = removed[1:], gone[1:]
    inexact = [unit for unit in removed if unit.exact == MEASURED]
    on_data = any(unit.exact != EVERY_INPUT for unit in removed) and probe is not None
    probes = Probes(model, probe, random=not on_data)
    if len(inexact) > 1:
        alone = {unit: probes.change(shrunk(work, site, unit_values, [unit.unit])) for unit in inexact}
        removed = [RemovedUnit(unit.unit, unit.exact, alone[unit]) if unit in alone else unit for unit in removed]
    smaller = shrunk(work, site, unit_values, gone)
    change = probes.change(smaller)
    if not inexact and not change <= limit:
        raise RuntimeError(
            f"The output changed by {change:.2g}, relative to its largest magnitude: more than the tolerance of "
            f"{limit:.2g}. The model has not been changed."
        )
    if len(inexact) == 1:
        removed = [RemovedUnit(unit.unit, unit.exact, change) if unit in inexact else unit for unit in removed]
    if gone:
        changed = [(use.operation, variable) for use, parameter, variable in parameters_of(site)]
        moved = [use.operation for use in (*site.producers, *site.passing)]
        warn_of_training_effects(changed, moved, stacklevel=2)
    return Removal(compiled_alike(smaller, model), tuple(removed), change)


def _checked(units: Any, number: int) -> list[int]:
    numbers = np.ravel(np.asarray(units))
    if not len(numbers) or not np.issubdtype(numbers.dtype, np.integer) or len(set(numbers.tolist())) != len(numbers):
        raise ValueError(f"Expected `units` to be distinct integers. Received: units={units!r}")
    if numbers.min() < 0 or numbers.max() >= number:
        raise ValueError(f"Expected `units` between 0 and {number - 1}. Received: units={units!r}")
    return sorted(numbers.tolist())
