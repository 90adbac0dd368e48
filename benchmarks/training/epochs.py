"""Training with one compiled function per epoch.

The data are tensors in memory. A compiled loop gathers each batch and applies the optimizer, so that Python runs once
per epoch instead of once per batch. `python -m benchmarks speed` compares it with `model.fit`.
"""

import importlib
import math
import time
from typing import Any

import keras
import numpy as np

from benchmarks.data import Split

BATCH = 100


class EpochTrainer:
    """Train a classifier that returns logits, one epoch per call.

    Args:
        model: A built Keras model.
        optimizer: A Keras optimizer.
        data: The training samples.
        batch_size: Samples per step; an incomplete last batch is dropped.
        seed: Seed of the order of the samples.
        jit_compile: Whether XLA compiles the loop; by default `compiled_epoch` of the backend decides.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        data: Split,
        *,
        batch_size: int = BATCH,
        seed: int = 0,
        jit_compile: bool | None = None,
    ):
        self.model = model
        self._samples = len(data)
        self._batch_size = min(batch_size, self._samples)
        self._order = np.random.default_rng(seed)
        optimizer.build(model.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # Trains one step per row of sample indices, and returns the mean loss.
        backend = importlib.import_module(f"benchmarks.training.epoch_{keras.backend.backend()}")
        self._epoch = backend.compiled_epoch(model, optimizer, loss, data, jit_compile)

    def epoch(self) -> float:
        """Train one epoch in a new random order, and return the mean loss including penalties."""
        steps = self._samples // self._batch_size
        order = self._order.permutation(self._samples)[: steps * self._batch_size]
        return float(self._epoch(order.astype(np.int32).reshape(steps, self._batch_size)))

    def train(self, epochs: int) -> list[float]:
        """Train for this number of epochs or until the loss is not finite, and return the mean losses."""
        losses: list[float] = []
        while len(losses) < epochs and (not losses or math.isfinite(losses[-1])):
            losses.append(self.epoch())
        return losses


def train_and_test(trainer: EpochTrainer, epochs: int, **splits: Split) -> dict[str, Any]:
    """Train, and return the losses, the seconds and, unless training diverged, the error rate on each split.

    Args:
        trainer: Trainer of the model.
        epochs: Number of epochs.
        splits: Splits to test on, by the name of the error rate in the result.
    """
    started = time.perf_counter()
    losses = trainer.train(epochs)
    seconds = time.perf_counter() - started
    result = {"loss": losses[-1], "losses": [round(loss, 6) for loss in losses], "train_seconds": round(seconds, 2)}
    if not math.isfinite(losses[-1]):
        return result
    return result | {name: error_rate(trainer.model, split) for name, split in splits.items()}


def error_rate(model: keras.Model, data: Split) -> float:
    """Return the percentage of misclassified samples."""
    predicted = np.concatenate(
        [keras.ops.convert_to_numpy(model(data.x[i : i + 1000], training=False)).argmax(axis=1)
         for i in range(0, len(data), 1000)]
    )  # fmt: skip
    return 100 * float(np.mean(predicted != data.y))
