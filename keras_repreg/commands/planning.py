"""Plan a measurement: estimate its memory, and assign layers to passes over the data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_repreg.activations import Source
from keras_repreg.characteristics import passes
from keras_repreg.commands import cost, memory
from keras_repreg.rows import channel_axis, width_of

# Fractions of the free memory planned for the layers of one pass and for the forward pass of a batch.
PASS, BATCH = 0.15, 0.1
# Assumed if the free memory is unknown.
UNKNOWN = 2**32
BATCH_SIZE = 256
# The maximum bytes of the outputs of all layers per batch: larger batches are hardly faster.
BATCH_BYTES = 2**29
# The maximum bytes of activations held per layer for its plots and mutual information.
HELD = 2**27

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The settings of a measurement.

    Attributes:
        names: The characteristics.
        units: "channels" or "flatten".
        batch_size: Samples per forward pass, or None for as many as memory allows, up to 256.
        samples: The number of samples whose activations are held for a report; 0 for none.
        share: The fraction of the free memory that may be used.
        all_layers: Whether to skip layers whose outputs cannot be measured.
        chance: Whether to also measure values at chance.
        classes: The number of classes in the data, once known.
    """

    names: tuple[str, ...]
    units: str
    batch_size: int | None
    samples: int
    share: float
    all_layers: bool
    chance: bool = False
    classes: int = 0


def check_cost(model: Any, sources: Sequence[Source], plan: Plan, taken: float) -> None:
    """Check that the measurement fits into memory, as far as the shapes of the layers are known.

    Args:
        model: The model, its variables with or without values.
        sources: Its layers.
        plan: The settings.
        taken: The bytes of the weights and the data.

    Raises:
        Refusal: if it does not fit.
    """
    widths = {
        source.name: width_of(shape, plan.units, channel_axis(source.layer))
        for source in sources
        if (shape := cost.output_shape(source.layer)) is not None
    }
    if widths:
        name, width = max(widths.items(), key=lambda item: item[1])
        advice = "select other layers with --layers, or cheap characteristics such as sparsity with --characteristics"
        needed = cost.accumulator_bytes(width, plan.names) + cost.result_bytes(width, plan.names, plan.samples > 0)
        memory.check(taken + needed, f"measuring layer {name!r} with its {width:,} units", advice, plan.share)
    each = cost.forward_bytes(model)
    batch = plan.batch_size or 1
    memory.check(taken + each * batch, f"a forward pass of {batch:,} samples", "try a smaller --batch-size", plan.share)


def batch_size_of(model: Any, shapes: dict[str, list[Shape]], available: float) -> int:
    """Return the batch size of forward passes if the command line does not set one."""
    each = max(cost.forward_bytes(model), 4.0 * sum(math.prod(s) for calls in shapes.values() for s in calls), 1.0)
    return int(min(max(min(BATCH * available, BATCH_BYTES) // each, 1), BATCH_SIZE))


def groups_of(
    sources: Sequence[Source], shapes: dict[str, list[Shape]], plan: Plan, available: float
) -> list[Sequence[Source]]:
    """Return the layers, in order, in groups of at least one layer that fit into one pass."""
    sizes = []
    for source in sources:
        each = 0.0
        for shape in shapes[source.name]:
            width = width_of(shape, plan.units, channel_axis(source.layer))
            each += cost.accumulator_bytes(width, plan.names, plan.classes) + min(
                4.0 * plan.samples * math.prod(shape), HELD
            )
        sizes.append(each)
    return passes.groups_of(sources, sizes, PASS * available)
