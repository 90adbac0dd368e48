"""Build a model with fewer units from its configuration and weights."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_repreg.arrays import to_float64
from keras_repreg.ion.copying import carry_state, configuration, counterparts, rebuilt
from keras_repreg.ion.maps import Array
from keras_repreg.ion.parameters import Parameter
from keras_repreg.ion.rules import positions, row_of
from keras_repreg.ion.site import Site, Use
from keras_repreg.ion.unit_values import UnitValues


def shrunk(work: keras.Model, site: Site, unit_values: UnitValues, gone: Sequence[int | None]) -> keras.Model:
    """Return a model without some units, given a copy of the model."""
    units = [unit for unit in gone if unit is not None]
    values: dict[int, Array] = {}
    added: dict[str, Array] = {}

    def now(variable: Any) -> Array:
        return values.get(id(variable), to_float64(variable))

    for use, mean in zip(site.consumers, unit_values.mean, strict=True):
        layer, row = use.operation, row_of(use.operation)
        if row.bias and mean[:, units].any():
            parameter = row.takes[0]
            block = np.moveaxis(now(parameter.of(layer)), parameter.axis, 0)[use.index[:, units]]
            constant = np.tensordot(mean[:, units], block, axes=([0, 1], [0, 1]))
            constant = constant.reshape(-1, constant.shape[-1]).sum(axis=0)
            if layer.use_bias:
                values[id(layer.bias)] = now(layer.bias) + constant
            else:
                added[layer.name] = constant
    for use, parameter, variable in parameters_of(site):
        index = parameter.index(use.operation, use.index)[:, units].ravel()
        values[id(variable)] = np.delete(now(variable), index, axis=parameter.axis)
    smaller = rebuilt(work, _smaller_config(work, site, len(units), added))
    for layer, source in counterparts(smaller, work):
        own = [values.get(id(variable)) for variable in source.weights]
        if layer.name in added or any(value is not None for value in own):
            weights = [v if value is None else value for value, v in zip(own, source.get_weights(), strict=True)]
            layer.set_weights([*weights, added[layer.name]] if layer.name in added else weights)
        else:
            carry_state(layer, source)
    return smaller


def parameters_of(site: Site) -> list[tuple[Use, Parameter, Any]]:
    """Return (use, parameter, variable) for each parameter with an axis of units."""
    return [
        (use, parameter, parameter.of(use.operation))
        for role, uses in (("gives", site.producers), ("moves", site.passing), ("takes", site.consumers))
        for use in uses
        for parameter in getattr(row_of(use.operation), role)
        if parameter.of(use.operation) is not None
    ]


def width_key(settings: dict[str, Any]) -> Any:
    """Return the key of the number of units in a layer's configuration, or None."""
    return next((key for key in ("units", "filters", "output_dim") if key in settings), None)


def _smaller_config(work: keras.Model, site: Site, fewer: int, added: dict[str, Array]) -> dict[str, Any]:
    config = configuration(work)
    nested = {layer.name for layer in work.layers if isinstance(layer, keras.Model)}
    widths = {use.operation.name for use in site.producers}
    passing = {use.operation.name: use for use in site.passing}
    for entry in config["layers"]:
        settings, name = entry["config"], entry.get("name", entry["config"].get("name"))
        if name in widths:
            settings[width_key(settings)] -= fewer
        if name in added:
            settings["use_bias"] = True
        if name in passing and isinstance(passing[name].operation, keras.layers.Reshape):
            settings["target_shape"] = _smaller_shape(passing[name], settings["target_shape"], fewer)
        # Shapes have changed, so layers are built when they are called.
        if name not in nested:
            entry.pop("build_config", None)
    return config


def _smaller_shape(use: Use, shape: Sequence[int], fewer: int) -> list[int]:
    """Return the target shape of a Reshape that keeps units in the last axis, or flattens them."""
    if positions(use.operation) > 1:
        return [-1]
    last = shape[-1] if shape[-1] == -1 else shape[-1] - fewer * use.index.shape[0]
    return [*shape[:-1], last]
