"""Constant directions of a linear layer: the null space of its kernel, or of its covariance on data."""

from typing import Any

import keras
import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.ion.exactness import EVERY_INPUT, THIS_DATA, RemovedUnit
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Array, Kind, UnitMap
from keras_repreg.ion.moments import moments_of
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site
from keras_repreg.ion.spectrum import in_range, principal_axes
from keras_repreg.ion.surgery import drafted

# Directions of a linear layer with less than this fraction of the largest variance are rounding errors in float32.
ROUNDING = 1e-11


def without_null_space(model: keras.Model, site: Site, data: Any) -> tuple[Site, list[RemovedUnit]]:
    """Rotate a linear layer so that its last units are constant: one per missing rank of its kernel or covariance."""
    use = site.producers[0]
    parameter, layer = row_of(use.operation).gives[0], use.operation
    kernel = np.moveaxis(to_float64(parameter.of(layer)), parameter.axis, -1)
    kernel = kernel.reshape(-1, site.units)
    bias = to_float64(layer.bias) if getattr(layer, "use_bias", False) else np.zeros(site.units)
    shift = site.allows == Kind.AFFINE
    rows = kernel if shift else np.concatenate([kernel, bias[None]])
    structural = site.units - _rank(rows.T @ rows)
    spread, mean = rows.T @ rows, bias
    if data is not None:
        mean, spread, _ = moments_of(model, site, data, None)
        # A mean that cannot be subtracted counts as variance.
        spread = spread if shift else spread + np.outer(mean, mean)
    directions = principal_axes(spread)[1]
    spare = site.units - _rank(spread)
    if not spare or spare == site.units:
        return site, []
    unit_map = UnitMap(directions[:, ::-1].T, mean if shift else np.zeros(site.units))
    drafted(site, unit_map).write()
    exact = [EVERY_INPUT if i < structural else THIS_DATA for i in range(spare)]
    return find_site(model, layer.name), [RemovedUnit(None, each) for each in exact]


def _rank(spread: Array) -> int:
    return int(in_range(np.linalg.eigvalsh(spread), ROUNDING).sum())
