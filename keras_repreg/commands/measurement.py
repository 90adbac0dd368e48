"""What the command has measured: the table, and for a report also the activations of some samples."""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.activations import forward_pass
from keras_repreg.characteristics import Characteristics, CharacteristicsTable, accumulate, select_layers
from keras_repreg.characteristics.definitions import select
from keras_repreg.commands.data import Data
from keras_repreg.commands.refusal import Refusal
from keras_repreg.rows import channel_axis, rows_of


@dataclass(frozen=True)
class Measurement:
    """The table as asked for; for a report everything by layer, and activations of `chosen` samples."""

    table: CharacteristicsTable
    accumulators: dict[str, Characteristics]
    chosen: NDArray[np.intp]
    activations: dict[str, NDArray[Any]]


def measure(model: Any, data: Data, arguments: argparse.Namespace) -> Measurement:
    """Measure the layers that the arguments name.

    Raises:
        Refusal: if there is no such layer or characteristic, or an activation is not finite.
    """
    labelled = data.y is not None
    wanted = arguments.characteristics
    wanted = "all" if wanted == ["all"] else wanted
    try:
        names = select(wanted, labelled=labelled)
        layers = select_layers(model, arguments.layers)
        accumulators = accumulate(
            model,
            data.x,
            layers,
            labels=data.y,
            characteristics="all" if arguments.report is not None else names,
            units=arguments.units,
            batch_size=arguments.batch_size,
        )
    except (TypeError, ValueError) as error:
        raise Refusal(error) from error
    except Exception as error:  # a layer of the model that the data does not suit
        raise Refusal(f"the model fails on {data.name}: {' '.join(str(error).split())[:300]}") from error
    broken = [name for name, accumulator in accumulators.items() if not accumulator.finite]
    if broken:
        raise Refusal(f"activations are NaN or infinite in layers {', '.join(broken)}")
    results = {name: accumulator.result() for name, accumulator in accumulators.items()}
    table = CharacteristicsTable(
        {layer: {name: values[name] for name in names} for layer, values in results.items()},
        {name: accumulator.samples for name, accumulator in accumulators.items()},
    )
    chosen, activations = np.zeros(0, np.intp), {}
    if arguments.report is not None:
        number = min(arguments.samples, len(data.x))
        chosen = np.sort(np.random.default_rng(0).choice(len(data.x), number, replace=False))
        activations = _activations(model, data.x[chosen], layers, arguments.batch_size)
    return Measurement(table, accumulators, chosen, activations)


def _activations(model: Any, x: NDArray[Any], layers: list[Any], batch_size: int) -> dict[str, NDArray[Any]]:
    """The outputs of the layers, (samples, ..., channels)."""
    parts: dict[str, list[NDArray[Any]]] = {}
    size = 0

    def begin(y: Any, samples: int, inputs: Any) -> None:
        nonlocal size
        size = samples

    def receive(name: str, layer: Any, output: Any, mask: Any) -> None:
        rows = rows_of(output, "channels", channel_axis(layer))
        parts.setdefault(name, []).append(rows.reshape(size, -1, rows.shape[1]))

    forward_pass(model, x, layers, begin, receive, batch_size=batch_size)
    return {name: np.concatenate(found) for name, found in parts.items()}
