"""Smaller networks: units that say nothing are removed, and what they contributed is added to the next bias."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_repreg.batches import as_tensors, batches, is_arrays, peek
from keras_repreg.ion.copying import carry_state, compiled_alike, configuration, copied, counterparts, rebuilt
from keras_repreg.ion.maps import Array, Kind, UnitMap
from keras_repreg.ion.network import Network
from keras_repreg.ion.probing import SAMPLES, Probes, random_inputs, tolerance_of
from keras_repreg.ion.rules import Parameter, positions, row_of
from keras_repreg.ion.site import Site, Use, find_site
from keras_repreg.ion.surgery import drafted
from keras_repreg.ion.training_effects import warn_of_training_effects

# Directions of a linear layer with less than this share of the largest variance are rounding in float32.
ROUNDING = 1e-11
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


@dataclass(frozen=True)
class Removal:
    """A smaller network.

    Attributes:
        model: The new model, compiled as the old one is.
        removed: What was removed.
        change: The largest change of an output, relative to the largest magnitude, by all that was removed.
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
    """A smaller model without some units of a layer; the model itself stays as it is.

    A unit that has the same value for each sample contributes a constant, which is added to the biases of the layers
    that take it. Without `units`, all those are removed that change no output: units whose weights are zero, or that
    nothing takes, for every input; with `data`, those that are constant on it, too, as dead units are; and of a linear
    layer as many directions as its kernel, or its covariance on the data, lacks in rank.

    Args:
        model: A built Sequential or functional model.
        layer: A layer with a kernel, such as a Dense or convolutional layer, or its name.
        units: Numbers of units to remove, exact or not. One that varies is replaced by its mean.
        data: Where units are measured: see `keras_repreg.measure`. By default random inputs tell the means of `units`.
        tolerance: See `transform`.

    Returns:
        The new model, and for each unit whether its removal is exact.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: if the layer's units cannot be followed to the layers that take them (see `survey`), something such
            as LayerNormalization computes each from all others, a constant cannot be taken up before zero padding,
            `units` are none of the layer's, or none would be left.
        RuntimeError: if what should be exact changed an output by more than `tolerance`.

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
    # Layers of the copy are in no other model, so that what stands between them can be observed.
    work = copied(model)
    site = find_site(work, name)
    if site.mixing:
        raise ValueError(
            f"Expected units that are computed one by one. Received: {list(site.mixing)}, where each depends on all"
        )
    limit = tolerance_of(model, tolerance)
    probe, repeated = (None, None) if data is None else _kept(data)
    chosen = None if units is None else _checked(units, site.units)
    for use in site.producers:
        if _width_of(use.operation.get_config()) is None:
            raise ValueError(
                "Expected layers that have a number of units to lower. "
                f"Received: '{use.operation.name}' of type {type(use.operation).__name__}"
            )
    removed: list[RemovedUnit] = []
    if chosen is None and site.allows >= Kind.LINEAR and len(site.producers) == 1:
        site, removed = _without_null_space(work, site, repeated)
        gone = list(range(site.units - len(removed), site.units))
    if not removed:
        arriving = _Arriving(work, site, repeated)
        removed = _classified(site, arriving, chosen, repeated is not None)
        gone = [unit.unit for unit in removed if unit.unit is not None]
    else:
        arriving = _Arriving(work, site, repeated)
    if len(gone) == site.units:
        if chosen is not None:
            raise ValueError(f"Expected at least one unit of '{name}' to be left. Received: units={units!r}")
        removed, gone = removed[1:], gone[1:]
    inexact = [unit for unit in removed if unit.exact == MEASURED]
    on_data = any(unit.exact != EVERY_INPUT for unit in removed) and probe is not None
    probes = Probes(model, probe, random=not on_data)
    if len(inexact) > 1:
        alone = {unit: probes.change(_shrunk(work, site, arriving, [unit.unit])) for unit in inexact}
        removed = [RemovedUnit(unit.unit, unit.exact, alone[unit]) if unit in alone else unit for unit in removed]
    smaller = _shrunk(work, site, arriving, gone)
    change = probes.change(smaller)
    if not inexact and not change <= limit:
        raise RuntimeError(
            f"The output changed by a share of {change:.2g}, more than the tolerance of {limit:.2g}; the model is as "
            "it was."
        )
    if len(inexact) == 1:
        removed = [RemovedUnit(unit.unit, unit.exact, change) if unit in inexact else unit for unit in removed]
    if gone:
        changed = [(use.operation, variable) for use, parameter, variable in _parameters(site)]
        moved = [use.operation for use in (*site.producers, *site.passing)]
        warn_of_training_effects(work, changed, moved, stacklevel=2)
    return Removal(compiled_alike(smaller, model), tuple(removed), change)


@dataclass
class _Batches:
    """Batches that can be read more than once."""

    parts: list[Any]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.parts)


def _kept(data: Any) -> tuple[Any, Any]:
    """The first inputs of the data, and the data to be read more than once."""
    probe, data = peek(data, SAMPLES)
    repeatable = is_arrays(data) or isinstance(data, keras.utils.PyDataset)
    return probe, data if repeatable else _Batches([x for x, _ in batches(data, SAMPLES)])


def _checked(units: Any, number: int) -> list[int]:
    numbers = np.ravel(np.asarray(units))
    if not len(numbers) or not np.issubdtype(numbers.dtype, np.integer) or len(set(numbers.tolist())) != len(numbers):
        raise ValueError(f"Expected `units` to be different integers. Received: units={units!r}")
    if numbers.min() < 0 or numbers.max() >= number:
        raise ValueError(f"Expected `units` between 0 and {number - 1}. Received: units={units!r}")
    return sorted(numbers.tolist())


class _Arriving:
    """Smallest, largest and mean value of each unit where it is taken: arrays of shape (repetitions, units)."""

    def __init__(self, model: keras.Model, site: Site, data: Any):
        network = Network(model)
        sources = [network.sources(use.operation)[0] for use in site.consumers]
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        observer = keras.Model(inputs, [source.output for source in sources])
        found: list[list[Array]] = [[] for _ in sources]
        parts = [(random_inputs(model), None)] if data is None else batches(data, SAMPLES)
        for x, _ in parts:
            outputs = keras.tree.flatten(observer(as_tensors(x), training=False))
            for rows, output in zip(found, outputs, strict=True):
                z = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")), dtype=np.float64)
                z = z.reshape(-1, z.shape[-1])
                rows.append(np.stack([z.min(axis=0), z.max(axis=0), z.sum(axis=0), np.full(z.shape[1], len(z))]))
        self.low, self.high, self.mean = [], [], []
        for use, rows in zip(site.consumers, found, strict=True):
            stacked = np.stack(rows)
            self.low.append(stacked[:, 0].min(axis=0)[use.index])
            self.high.append(stacked[:, 1].max(axis=0)[use.index])
            self.mean.append((stacked[:, 2].sum(axis=0) / stacked[:, 3].sum(axis=0))[use.index])

    def constant(self, unit: int) -> bool:
        """Whether the unit has one value for all samples and positions, up to rounding."""
        eps = 4 * float(np.finfo(np.float32).eps)
        return all(
            (high[:, unit] - low[:, unit] <= eps * np.maximum(np.abs(low[:, unit]), np.abs(high[:, unit]))).all()
            for low, high in zip(self.low, self.high, strict=True)
        )


def _classified(site: Site, arriving: _Arriving, chosen: list[int] | None, with_data: bool) -> list[RemovedUnit]:
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
        values = np.moveaxis(np.asarray(keras.ops.convert_to_numpy(kernel.of(use.operation))), kernel.axis, 0)
        if values[use.index[:, unit]].any():
            return False
    return True


def _unused(site: Site, unit: int) -> bool:
    """Whether no layer gives the unit any weight."""
    for use in site.consumers:
        for parameter in row_of(use.operation).takes:
            values = np.asarray(keras.ops.convert_to_numpy(parameter.of(use.operation)))
            index = parameter.index(use.operation, use.index)[:, unit]
            if parameter.how == "inverse" and np.moveaxis(values, parameter.axis, 0)[index].any():
                return False
    return True


def _why_not_taken_up(site: Site, arriving: _Arriving, unit: int) -> str:
    """Why a unit's value cannot be added to the bias of what takes it, empty if it can."""
    for use, mean in zip(site.consumers, arriving.mean, strict=True):
        layer = use.operation
        if mean[:, unit].any():
            if not row_of(layer).bias:
                return f"which layer '{layer.name}' of type {type(layer).__name__} takes"
            if getattr(layer, "padding", "valid") != "valid":
                return f"which layer '{layer.name}' with padding='{layer.padding}' takes"
    return ""


def _without_null_space(model: keras.Model, site: Site, data: Any) -> tuple[Site, list[RemovedUnit]]:
    """Turn a linear layer so that its last units are constant: as many as its kernel or covariance lacks in rank."""
    use = site.producers[0]
    parameter, layer = row_of(use.operation).gives[0], use.operation
    kernel = np.moveaxis(np.asarray(keras.ops.convert_to_numpy(parameter.of(layer)), np.float64), parameter.axis, -1)
    kernel = kernel.reshape(-1, site.units)
    bias = np.asarray(keras.ops.convert_to_numpy(layer.bias), np.float64) if getattr(layer, "use_bias", False) else np.zeros(site.units)
    shift = site.allows == Kind.AFFINE
    rows = kernel if shift else np.concatenate([kernel, bias[None]])
    structural = site.units - _rank(rows.T @ rows)
    spread, mean = rows.T @ rows, bias
    if data is not None:
        mean, spread = _moments(model, layer, data, centred=shift)
    directions = np.linalg.eigh(spread)[1]
    spare = site.units - _rank(spread)
    if not spare or spare == site.units:
        return site, []
    unit_map = UnitMap(directions[:, ::-1].T, mean if shift else np.zeros(site.units))
    drafted(site, unit_map).write()
    exact = [EVERY_INPUT if i < structural else THIS_DATA for i in range(spare)]
    return find_site(model, layer.name), [RemovedUnit(None, each) for each in exact]


def _rank(spread: Array) -> int:
    values = np.linalg.eigvalsh(spread)
    return int((values > ROUNDING * max(values[-1], 0)).sum())


def _moments(model: keras.Model, layer: Any, data: Any, *, centred: bool) -> tuple[Array, Array]:
    from keras_repreg.characteristics import accumulate

    moments = accumulate(model, data, layer)[layer.name].moments
    mean, covariance = moments.mean, moments.covariance
    return mean, covariance if centred else covariance + np.outer(mean, mean)


def _shrunk(work: keras.Model, site: Site, arriving: _Arriving, gone: Sequence[int | None]) -> keras.Model:
    """A model without some units, from a copy of the model."""
    units = [unit for unit in gone if unit is not None]
    values: dict[int, Array] = {}
    added: dict[str, Array] = {}

    def now(variable: Any) -> Array:
        return values.get(id(variable), np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float64))

    for use, mean in zip(site.consumers, arriving.mean, strict=True):
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
    for use, parameter, variable in _parameters(site):
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


def _parameters(site: Site) -> list[tuple[Use, Parameter, Any]]:
    """Each parameter of which a part belongs to units, after its use and before its variable."""
    return [
        (use, parameter, parameter.of(use.operation))
        for role, uses in (("gives", site.producers), ("moves", site.passing), ("takes", site.consumers))
        for use in uses
        for parameter in getattr(row_of(use.operation), role)
        if parameter.of(use.operation) is not None
    ]


def _width_of(settings: dict[str, Any]) -> Any:
    """The key of the number of units in a layer's configuration, or None."""
    return next((key for key in ("units", "filters", "output_dim") if key in settings), None)


def _smaller_config(work: keras.Model, site: Site, fewer: int, added: dict[str, Array]) -> dict[str, Any]:
    config = configuration(work)
    nested = {layer.name for layer in work.layers if isinstance(layer, keras.Model)}
    widths = {use.operation.name for use in site.producers}
    passing = {use.operation.name: use for use in site.passing}
    for entry in config["layers"]:
        settings, name = entry["config"], entry.get("name", entry["config"].get("name"))
        if name in widths:
            settings[_width_of(settings)] -= fewer
        if name in added:
            settings["use_bias"] = True
        if name in passing and isinstance(passing[name].operation, keras.layers.Reshape):
            settings["target_shape"] = _smaller_shape(passing[name], settings["target_shape"], fewer)
        # Shapes are other ones now: layers are built when they are called.
        if name not in nested:
            entry.pop("build_config", None)
    return config


def _smaller_shape(use: Use, shape: Sequence[int], fewer: int) -> list[int]:
    """The target of a Reshape that keeps units in the last axis, or lays all side by side."""
    if positions(use.operation) > 1:
        return [-1]
    last = shape[-1] if shape[-1] == -1 else shape[-1] - fewer * use.index.shape[0]
    return [*shape[:-1], last]
