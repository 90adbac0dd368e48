"""Training with whole epochs inside one compiled function.

The arrays are tensors in memory; a compiled loop gathers each batch and takes the optimizer's step, so that
Python runs once an epoch instead of once a batch. Measured against `model.fit` by `python -m benchmarks speed`.
"""

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_repreg
from benchmarks.data import Split

BATCH = 100
SLOW_UNDER_XLA = (keras.layers.Dropout, keras.layers.Conv2D)


class EpochTrainer:
    """Trains a classifier that puts out logits, an epoch per call.

    Args:
        model: A built Keras model.
        optimizer: A Keras optimizer.
        data: The training samples.
        batch_size: Samples per step; a last incomplete batch is left to the next epoch's order.
        seed: Of the order of the samples.
        jit_compile: Whether XLA compiles the loop; by default unless the model has a layer that XLA is slow at on a
            CPU: dropout, whose random numbers make an epoch of the MLP take 1.9 s instead of 0.3 s, or convolutions,
            whose gradients make a step of the CNN take more than a minute instead of 0.1 s.
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
        self._optimizer = optimizer
        self._x = tf.constant(data.x)
        self._y = tf.constant(data.y)
        self._batch_size = min(batch_size, len(data))
        self._steps = len(data) // self._batch_size
        self._order = np.random.default_rng(seed)
        self._loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer.build(model.trainable_variables)
        if jit_compile is None:
            jit_compile = not any(isinstance(layer, SLOW_UNDER_XLA) for layer in model.layers)
        self._epoch = tf.function(self._run_epoch, jit_compile=jit_compile)

    def epoch(self) -> float:
        """Train one epoch in a new random order; the mean loss, penalties included."""
        order = self._order.permutation(len(self._y))[: self._steps * self._batch_size]
        batches = order.astype(np.int32).reshape(self._steps, self._batch_size)
        return float(self._epoch(tf.constant(batches)))

    def train(self, epochs: int) -> list[float]:
        """Train so many epochs, but no further once the loss is not finite; the mean losses."""
        losses: list[float] = []
        while len(losses) < epochs and (not losses or math.isfinite(losses[-1])):
            losses.append(self.epoch())
        return losses

    def _run_epoch(self, batches: Any) -> Any:
        total = tf.constant(0.0)
        for step in tf.range(self._steps):
            total += self._step(batches[step])
        return total / self._steps

    def _step(self, batch: Any) -> Any:
        x = tf.gather(self._x, batch)
        y = tf.gather(self._y, batch)
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape, keras_repreg.label_scope(y):
            logits = self.model(x, training=True)
            loss = tf.add_n([self._loss(y, logits), *self.model.losses])
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss


def train_and_test(trainer: EpochTrainer, epochs: int, **splits: Split) -> dict[str, Any]:
    """Train so many epochs; the losses, the seconds, and unless training diverged the error rate on each split.

    Args:
        trainer: Of the model.
        epochs: Passes over its data.
        splits: What to test on, by the name under which the error rate is given.
    """
    started = time.perf_counter()
    losses = trainer.train(epochs)
    seconds = time.perf_counter() - started
    result = {"loss": losses[-1], "losses": [round(loss, 6) for loss in losses], "train_seconds": round(seconds, 2)}
    if not math.isfinite(losses[-1]):
        return result
    return result | {name: error_rate(trainer.model, split) for name, split in splits.items()}


def error_rate(model: keras.Model, data: Split) -> float:
    """Share of misclassified samples, in percent."""
    predicted = np.concatenate(
        [keras.ops.convert_to_numpy(model(data.x[i : i + 1000], training=False)).argmax(axis=1)
         for i in range(0, len(data), 1000)]
    )  # fmt: skip
    return 100 * float(np.mean(predicted != data.y))
