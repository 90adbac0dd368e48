"""What one validation has seen of the layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.histogram import Histogram
from keras_repreg.characteristics.measuring import Collection
from keras_repreg.characteristics.table import CharacteristicsTable


class Seen(Collection):
    """The accumulators of several layers, with histograms of their activations where they are wanted."""

    def __init__(self, layers: Any, *, histograms: bool, **arguments: Any):
        super().__init__(layers, **arguments)
        self._histograms = {layer.name: Histogram() for layer in layers} if histograms else {}

    def update(self, outputs: dict[str, Any], y: Any, samples: int | None = None) -> dict[str, NDArray[Any]]:
        matrices = super().update(outputs, y, samples)
        for name, histogram in self._histograms.items():
            histogram.update(matrices[name])
        return matrices

    def write(self, events: EventFile, table: CharacteristicsTable, step: int) -> None:
        """Write everything to an event file."""
        for layer, values in table.items():
            for name, value in values.items():
                if not isinstance(value, np.ndarray):
                    events.scalar(f"{layer}/{name}", value, step)
            events.histogram(f"{layer}/activations", self._histograms[layer], step)
            accumulator = self.accumulators[layer]
            if accumulator.has_covariance and accumulator.finite:
                events.spectrum(f"{layer}/log10_spectrum", accumulator.spectrum(), step)
