"""Decide which units can be removed, and for which inputs the removal is exact."""

from dataclasses import dataclass

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.ion.parameters import INVERSE
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site
from keras_repreg.ion.unit_values import UnitValues

EVERY_INPUT, THIS_DATA, MEASURED = "every input", "this data", "measured"


@dataclass(frozen=True)
class RemovedUnit:
    """A removed unit.

    Attributes:
        unit: Its index, or None for a direction of a linear layer that is not a single unit.
        exact: "every input" if the output is unchanged for every input, "this data" if it is unchanged on the data,
            "measured" otherwise.
        change: The largest change of an output caused by removing only this unit, relative to the largest magnitude, on
            the data or, without data, on random inputs; 0 if the removal is exact.
    """

    unit: int | None
    exact: str
    change: float = 0.0


def classified(site: Site, unit_values: UnitValues, chosen: list[int] | None, with_data: bool) -> list[RemovedUnit]:
    """Return the units to remove: the chosen units, or by default all whose removal changes no output.

    Raises:
        ValueError: if the mean of a chosen unit cannot be added to a bias.
    """
    found = []
    for unit in range(site.units) if chosen is None else chosen:
        reason = _why_not_taken_up(site, unit_values, unit)
        unused = _unused(site, unit)
        if unused or (_fixed(site, unit) and unit_values.constant(unit) and not reason):
            found.append(RemovedUnit(unit, EVERY_INPUT))
        elif with_data and unit_values.constant(unit) and not reason:
            found.append(RemovedUnit(unit, THIS_DATA))
        elif chosen is not None:
            if reason:
                raise ValueError(
                    f"Expected a unit whose mean can be added to the bias of the next layer. Received: unit {unit}, "
                    f"{reason}"
                )
            found.append(RemovedUnit(unit, MEASURED))
    return found


def _fixed(site: Site, unit: int) -> bool:
    """Return whether the unit is constant for every input, because its incoming weights are zero."""
    for use in site.producers:
        kernel = row_of(use.operation).gives[0]
        values = np.moveaxis(to_float64(kernel.of(use.operation)), kernel.axis, 0)
        if values[use.index[:, unit]].any():
            return False
    return True


def _unused(site: Site, unit: int) -> bool:
    """Return whether all outgoing weights of the unit are zero."""
    for use in site.consumers:
        for parameter in row_of(use.operation).takes:
            values = to_float64(parameter.of(use.operation))
            index = parameter.index(use.operation, use.index)[:, unit]
            if parameter.how == INVERSE and np.moveaxis(values, parameter.axis, 0)[index].any():
                return False
    return True


def _why_not_taken_up(site: Site, unit_values: UnitValues, unit: int) -> str:
    """Return why the value of a unit cannot be added to the biases of the next layers, or an empty string."""
    for use, mean in zip(site.consumers, unit_values.mean, strict=True):
        layer = use.operation
        if mean[:, unit].any():
            if not row_of(layer).bias:
                return f"which layer '{layer.name}' of type {type(layer).__name__} takes"
            if getattr(layer, "padding", "valid") != "valid":
                return f"which layer '{layer.name}' with padding='{layer.padding}' takes"
    return ""
