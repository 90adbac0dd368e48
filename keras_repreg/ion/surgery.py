"""Rewrite the weights of layers: one layer is transformed, and others undo the transformation.

With the weights (the paper's W is Keras's kernel)

    W_l^T~ = Q W_l^T               b_l~ = Q (b_l - m)
    W_{l+1}^T~ = W_{l+1}^T Q^-1    b_{l+1}~ = b_{l+1} + W_{l+1}^T m

Weights are computed in float64, rounded once, and kept only if the outputs do not change. `keras_repreg.ion.theorems`
checks whether a theorem allows Q and m.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.ion.copying import copied
from keras_repreg.ion.draft import Draft
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Array, Kind, UnitMap
from keras_repreg.ion.parameters import FORWARD, INVERSE
from keras_repreg.ion.probing import tolerance_of
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site

_RECORD = "_repreg_rewrites"


@dataclass(frozen=True)
class Rewrite:
    """A record of one transformation of a layer.

    Attributes:
        layer: Name of the layer whose representation was transformed.
        consumer: Name of the layer that undoes it, the first if there are several.
        q: Q, shape (M, M).
        m: m, shape (M,).
        condition_number: The condition number of Q in the 2-norm.
        output_difference: The largest change, due to rounding, of an output of the model or of a layer that undoes the
            transformation, relative to the largest magnitude, on random inputs and on the given data.
    """

    layer: str
    consumer: str
    q: Array
    m: Array
    condition_number: float
    output_difference: float


def rewrites(model: keras.Model) -> list[Rewrite]:
    """Return the rewrites that `keras_repreg.ion` has made in a model, in order."""
    return list(vars(model).get(_RECORD, []))


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
    """Write the weights given by the theorem.

    Args:
        model: The model.
        site: The units.
        q: Q, of the correct shape.
        shift: m, of the correct shape.
        dead: New units to set to zero, which must be constant on the data.
        probe: Inputs of the model from data, on which its outputs are also compared.
        random: Whether to compare the outputs on random inputs.
        tolerance: See `transform`.
        copy: See `transform`.
        check: Whether the outputs must not change.
        stacklevel: The stack level of the warning about training; by default the caller of the caller.
    """
    original = model
    limit = tolerance_of(model, tolerance)
    unit_map = UnitMap(q, shift)
    condition = unit_map.condition_number if np.isfinite(q).all() else np.inf
    if not condition < 1 / float(np.finfo(np.float32).eps):
        raise ValueError(f"Expected a nonsingular `q`. Received: a matrix with condition number {condition:.3g}")
    if copy:
        model = copied(model)
        site = find_site(model, site.layer.name)
    draft = drafted(site, unit_map)
    if dead is not None:
        for use in site.producers:
            for parameter in row_of(use.operation).gives:
                variable = parameter.of(use.operation)
                if variable is not None:
                    kept = np.moveaxis(draft.value(variable), parameter.axis, -1) * (1.0 - dead)
                    draft.set(use.operation, variable, np.moveaxis(kept, -1, parameter.axis))
    # The output of a layer whose units are transformed changes.
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
    """Return the new values, under a map, of all layers that compute units, pass them on or take them."""
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
