"""The mean of a layer's penalty over the batches of an epoch, for `PenaltyLogger`."""

import contextlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg.layers.weight_factor import variable_scope
from keras_repreg.steps import Step

Tensor = Any


class PenaltyMean:
    """The mean loss added by a layer over the steps since `reset`, weighted by the number of samples per batch.

    It is held in two variables of the layer, like the seed of a Dropout, and not in a metric: a `train_step` that loops
    over `self.metrics` would update a metric with targets. The variables exist once a `PenaltyLogger` has made them.
    """

    def __init__(self) -> None:
        self.variables: list[keras.Variable] = []

    def make_variables(self, strategy: Any, scope: str) -> bool:
        """Create the variables unless they exist, and return whether they were created.

        Args:
            strategy: The `tf.distribute` strategy of the model, if it has one.
            scope: A name for the layer that keeps the paths of its variables unique.
        """
        if self.variables:
            return False
        arguments = {"trainable": False, "dtype": "float32", "autocast": False}
        with strategy.scope() if strategy is not None else contextlib.nullcontext(), variable_scope(scope):
            self.variables = [
                keras.Variable(0.0, aggregation="sum", synchronization="on_read", name=name, **arguments)
                for name in ("penalty_total", "penalty_samples")
            ]
        return True

    def update(self, step: Step, layer: keras.layers.Layer, losses: list[Tensor]) -> None:
        """Add the layer's losses of this step, each tensor once however often it is read."""
        if not self.variables:
            return
        total, samples = self.variables
        count = ops.cast(step.samples, "float32")
        counted = step.counted.setdefault(id(layer), [])
        if not counted:
            samples.assign(samples + count)
        for loss in losses:
            if not any(other is loss for other in counted):
                counted.append(loss)
                total.assign(total + ops.cast(ops.stop_gradient(loss), "float32") * count)

    def reset(self) -> None:
        """Reset the mean."""
        for variable in self.variables:
            variable.assign(0.0)

    def result(self) -> float | None:
        """Return the mean, or None before the first step."""
        total, samples = (float(np.asarray(ops.convert_to_numpy(variable))) for variable in self.variables)
        return total / samples if samples else None
