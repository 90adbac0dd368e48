"""A table of the units of a layer, from accumulated statistics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.characteristics.classes import ClassMoments
from keras_repreg.characteristics.covariances import SecondOrder
from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.table import UnitsTable
from keras_repreg.characteristics.units import UnitMoments

PER_UNIT = ("amplitude", "sparsity", "mean", "variance", "correlation")
"""The characteristics whose accumulators the table needs."""


def unit_table(units: UnitMoments, second_order: SecondOrder, classes: ClassMoments) -> UnitsTable:
    """Return statistics of each unit, including its classes if there are labels."""
    number = len(units.mean)
    other, correlation = most_correlated(second_order, number)
    columns: dict[str, list[Any]] = {
        "mean": units.mean.tolist(),
        "variance": units.variance.tolist(),
        "amplitude": units.amplitudes.tolist(),
        "sparsity": units.sparsities.tolist(),
        "dead": units.dead.tolist(),
        "dormant_score": units.dormant_scores.tolist(),
        "most_correlated": [None if j < 0 else j for j in other.tolist()],
        "correlation": correlation.tolist(),
    }
    if classes.number:
        within, between = classes.unit_variances()
        total = within + between
        columns["between_share"] = np.divide(between, total, out=np.zeros(number), where=total > 0).tolist()
        favourite = classes.means.argmax(axis=0)
        varies = between > 0
        columns["favourite_class"] = [
            classes.labels[k] if known else None for k, known in zip(favourite.tolist(), varies.tolist(), strict=True)
        ]
    return UnitsTable({i: {name: values[i] for name, values in columns.items()} for i in range(number)})


def most_correlated(second_order: SecondOrder, units: int) -> tuple[NDArray[np.intp], Array]:
    """Return each unit's most correlated other unit and their correlation; -1 and 0 if there is none."""
    other, correlation = np.full(units, -1), np.zeros(units)
    if not second_order.count:
        return other, correlation
    for tile in second_order.tiles():
        magnitudes = np.where(tile.correlated, np.abs(tile.correlation), -1)
        for axis, ours, theirs in ((1, tile.rows, tile.columns), (0, tile.columns, tile.rows)):
            best = magnitudes.argmax(axis=axis)
            found = np.take_along_axis(tile.correlation, np.expand_dims(best, axis), axis).squeeze(axis)
            largest = np.take_along_axis(magnitudes, np.expand_dims(best, axis), axis).squeeze(axis)
            # A view, so that assignments change the unit.
            ours_other, ours_correlation = other[ours], correlation[ours]
            better = (largest >= 0) & ((ours_other < 0) | (largest > np.abs(ours_correlation)))
            ours_other[better] = best[better] + theirs.start
            ours_correlation[better] = found[better]
    return other, correlation
