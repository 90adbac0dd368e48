"""The mean of a layer's penalty over the batches of an epoch, while a `PenaltyLogger` asks for it."""

import contextlib
from typing import Any

import keras

Tensor = Any


class PenaltyMetric:
    """A layer's metric that comes and goes.

    Not an attribute of the layer, which Keras would save with it, but of this plain object; `layer.metrics` has it.
    """

    def __init__(self) -> None:
        self._mean: keras.metrics.Metric | None = None

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [] if self._mean is None else [self._mean]

    def make(self, name: str, strategy: Any = None) -> None:
        with strategy.scope() if strategy is not None else contextlib.nullcontext():
            self._mean = keras.metrics.Mean(name=name, dtype="float32")

    def drop(self) -> None:
        self._mean = None

    def update(self, penalty: Tensor, samples: Tensor) -> None:
        """A batch counts by its samples, as in Keras's own mean of the loss."""
        if self._mean is not None:
            self._mean.update_state(penalty, sample_weight=samples)
