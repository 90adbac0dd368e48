"""Measurements of layers during one validation."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.histogram import Histogram
from keras_repreg.characteristics.collection import Collection
from keras_repreg.characteristics.table import CharacteristicsTable


class ValidationCollection(Collection):
    """The accumulators of several layers, with optional histograms of their activations."""

    def __init__(self, sources: Any, *, histograms: bool, **arguments: Any):
        super().__init__(sources, **arguments)
        self._wanted = histograms
        self._histograms: dict[str, Histogram] = {}

    def receive(self, name: str, layer: keras.layers.Layer, output: Any, mask: Any = None) -> NDArray[Any] | None:
        z = super().receive(name, layer, output, mask)
        if self._wanted and z is not None:
            self._histograms.setdefault(name, Histogram()).update(z)
        return z

    def write(self, events: EventFile, table: CharacteristicsTable, step: int) -> None:
        """Write all values to an event file."""
        for layer, values in table.items():
            for name, value in values.items():
                if not isinstance(value, np.ndarray):
                    events.scalar(f"{layer}/{name}", value, step)
            events.histogram(f"{layer}/activations", self._histograms[layer], step)
            accumulator = self.accumulators[layer]
            if accumulator.has_covariance and accumulator.finite:
                events.spectrum(f"{layer}/log10_spectrum", accumulator.spectrum(), step)
