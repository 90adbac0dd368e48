"""Table 2: representation characteristics of a linear layer and the ReLU layer before it.

Initial weights, optimizer and epochs are those of Table 6 (`benchmarks.experiments.table6`). Dropout and BN are applied
to every hidden layer, which reproduces the printed sparsity of the first layer; applied to one layer only, they would
leave the first layer as in the baseline.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks import command, paper
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.table import Table

REGULARIZERS = ("Baseline", "Dropout", "BN")
LAYERS = {"layer1": "1st", "layer5": "5th", "layer6": "6th"}
COLUMNS = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")


@dataclass(frozen=True)
class LayersRun:
    """A 7-layer MLP on MNIST; three of its layers are measured."""

    regularizer: str
    seed: int
    epochs: int = 50
    samples: int | None = None
    learning_rate: float = 1e-4
    batch_size: int = 100
    experiment: str = "table2"
    dataset: ClassVar[str] = "mnist"


def train(run: LayersRun) -> dict[str, Any]:
    """Train, and measure the positive activations of the three layers on the test images."""
    import keras
    import numpy as np

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer, error_rate
    from benchmarks.training.models import with_linear_layer
    from keras_repreg.characteristics import characterize

    keras.utils.set_random_seed(run.seed)
    data = load("mnist")
    training = data.train.first(run.samples)
    model = with_linear_layer(run.regularizer)
    optimizer = keras.optimizers.Adam(run.learning_rate)
    losses = EpochTrainer(model, optimizer, training, batch_size=run.batch_size, seed=run.seed).train(run.epochs)
    result: dict[str, Any] = {"loss": losses[-1], "error": error_rate(model, data.test)}
    if math.isfinite(losses[-1]):
        probe = keras.Model(model.inputs, [model.get_layer(name).output for name in LAYERS])
        for name, z in zip(LAYERS, probe.predict(data.test.x, batch_size=1000, verbose=0), strict=True):
            # The paper uses only positive activations, so negative values of the linear layer count as zero.
            result[name] = characterize(np.maximum(z, 0))
    return result


def runs_of(arguments: argparse.Namespace) -> list[LayersRun]:
    """Return the runs of the table."""
    shared = command.epochs_and_samples(arguments)
    return [LayersRun(name, seed, **shared) for name in REGULARIZERS for seed in seeds(arguments)]


def table_of(found: Records) -> Table:
    """Return a row for each regularizer and layer."""
    rows = []
    for name in REGULARIZERS:
        results = finished_of(found, regularizer=name)
        for layer, place in LAYERS.items():
            measured = [result[layer] for result in results]
            rows.append({"layer": f"{name} ({place})", **summary(measured, COLUMNS)})
    return Table(rows, COLUMNS, paper.printed("table2"), label="layer")


EXPERIMENT = Sweep(
    name="table2",
    place="Section 3.2",
    title="characteristics of linear and ReLU layers",
    claim="The representation characteristics of an inserted linear layer (the sixth) are much like those of the ReLU "
    "layer before it (the fifth), and unlike those of the first.",
    epochs=LayersRun.epochs,
    runs=runs_of,
    train=train,
    table=table_of,
    setting=lambda run, trials: (
        f"MNIST, {run.samples or 'all'} training images, {run.epochs} epochs, {trials} network(s) each"
    ),
)
