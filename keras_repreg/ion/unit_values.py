"""Values of units at the inputs of the layers that take them, on data or on random inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_repreg import graph
from keras_repreg.arrays import to_float64
from keras_repreg.batches import as_tensors, batches, is_arrays, peek
from keras_repreg.ion.maps import Array
from keras_repreg.ion.probing import SAMPLES, random_inputs
from keras_repreg.ion.site import Site


@dataclass(frozen=True)
class _Batches:
    """Batches that can be read more than once."""

    parts: list[Any]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.parts)


def repeatable(data: Any) -> tuple[Any, Any]:
    """Return the first inputs of the data, and the data in a form that can be read repeatedly."""
    probe, data = peek(data, SAMPLES)
    again = is_arrays(data) or isinstance(data, keras.utils.PyDataset)
    return probe, data if again else _Batches([x for x, _ in batches(data, SAMPLES)])


class UnitValues:
    """The minimum, maximum and mean of each unit where it is taken: arrays of shape (repetitions, units)."""

    def __init__(self, model: keras.Model, site: Site, data: Any):
        links = graph.Graph(model)
        sources = [links.sources(use.operation)[0] for use in site.consumers]
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        observer = keras.Model(inputs, [source.output for source in sources])
        found: list[list[Array]] = [[] for _ in sources]
        parts = [(random_inputs(model), None)] if data is None else batches(data, SAMPLES)
        for x, _ in parts:
            outputs = keras.tree.flatten(observer(as_tensors(x), training=False))
            for rows, output in zip(found, outputs, strict=True):
                z = to_float64(output)
                z = z.reshape(-1, z.shape[-1])
                rows.append(np.stack([z.min(axis=0), z.max(axis=0), z.sum(axis=0), np.full(z.shape[1], len(z))]))
        self.low, self.high, self.mean = [], [], []
        for use, rows in zip(site.consumers, found, strict=True):
            stacked = np.stack(rows)
            self.low.append(stacked[:, 0].min(axis=0)[use.index])
            self.high.append(stacked[:, 1].max(axis=0)[use.index])
            self.mean.append((stacked[:, 2].sum(axis=0) / stacked[:, 3].sum(axis=0))[use.index])

    def constant(self, unit: int) -> bool:
        """Return whether the unit has the same value for all samples and positions, up to rounding."""
        eps = 4 * float(np.finfo(np.float32).eps)
        return all(
            (high[:, unit] - low[:, unit] <= eps * np.maximum(np.abs(low[:, unit]), np.abs(high[:, unit]))).all()
            for low, high in zip(self.low, self.high, strict=True)
        )
