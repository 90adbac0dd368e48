"""Which units can be removed, and for which inputs that is exact."""

from dataclasses import dataclass

import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.ion.arriving import Arriving
from keras_repreg.ion.parameters import INVERSE
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site

EVERY_INPUT, THIS_DATA, MEASURED = "every input", "this data", "measured"


@dataclass(frozen=True)
class RemovedUnit:
    """A unit that was removed.

    Attributes:
        unit: Its number, or None for a direction of a linear layer that no single unit stands for.
        exact: "every input" if the output stays for every input, "this data" if it stays on the data, "measured" if
            it does not.
        change: The largest change of an output that removing the unit alone makes, relative to the largest magnitude,
            on the data or else on random inputs; 0 where it is exact.
    """

    unit: int | None
    exact: str
    change: float = 0.0


def classified(site: Site, arriving: Arriving, chosen: list[int] | None, with_data: bool) -> list[RemovedUnit]:
    """The units to be removed: those chosen, or else all whose removal changes no output.

    Raises:
        ValueError: if the mean of a chosen unit cannot be taken up.
    """
    found = []
    for unit in range(site.units) if chosen is None else chosen:
        reason = _why_not_taken_up(site, arriving, unit)
        unused = _unused(site, unit)
        if unused or (_fixed(site, unit) and arriving.constant(unit) and not reason):
            found.append(RemovedUnit(unit, EVERY_INPUT))
        elif with_data and arriving.constant(unit) and not reason:
            found.append(RemovedUnit(unit, THIS_DATA))
        elif chosen is not None:
            if reason:
                raise ValueError(
                    f"Expected a unit whose mean the next layer can take up. Received: unit {unit}, {reason}"
                )
            found.append(RemovedUnit(unit, MEASURED))
    return found


def _fixed(site: Site, unit: int) -> bool:
    """Whether the unit's value is the same for every input: the layers that compute it give it no weight."""
    for use in site.producers:
        kernel = row_of(use.operation).gives[0]
        values = np.moveaxis(to_float64(kernel.of(use.operation)), kernel.axis, 0)
        if values[use.index[:, unit]].any():
            return False
    return True


def _unused(site: Site, unit: int) -> bool:
    """Whether no layer gives the unit any weight."""
    for use in site.consumers:
        for parameter in row_of(use.operation).takes:
            values = to_float64(parameter.of(use.operation))
            index = parameter.index(use.operation, use.index)[:, unit]
            if parameter.how == INVERSE and np.moveaxis(values, parameter.axis, 0)[index].any():
                return False
    return True


def _why_not_taken_up(site: Site, arriving: Arriving, unit: int) -> str:
    """Why a unit's value cannot be added to the bias of what takes it, empty if it can."""
    for use, mean in zip(site.consumers, arriving.mean, strict=True):
        layer = use.operation
        if mean[:, unit].any():
            if not row_of(layer).bias:
                return f"which layer '{layer.name}' of type {type(layer).__name__} takes"
            if getattr(layer, "padding", "valid") != "valid":
                return f"which layer '{layer.name}' with padding='{layer.padding}' takes"
    return ""
