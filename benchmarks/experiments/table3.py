"""Table 3: a network's representation transformed by a matrix Q, with the output layer fine-tuned afterwards.

The first two rows are identical output networks (Theorem 2), the other two comparable performance networks
(section 3.2). The original network is the baseline of Table 6, trained twice as long: after 100 epochs its amplitude,
covariance and error match the first row of the table, after 50 they do not.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks import command, paper
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.table import Table

COLUMNS = ("error", "amplitude", "covariance", "correlation", "sparsity", "dead_units")
IDENTITY, DIAGONAL = "Identity", "Random positive diagonal"
ONES, WHITENING = "Ones with random positive diagonal", "Whitening"


@dataclass(frozen=True)
class TransformedRun:
    """A 6-layer MLP on MNIST whose fifth layer is transformed in four ways after training.

    Attributes:
        seed: Seed of the network and the random matrices.
        epochs: Training epochs of the network.
        tries: Number of random matrices of ones with a random diagonal, of which one is kept.
        margin: How much the validation error of the kept matrix may increase, in percentage points.
        fine_tuning: Epochs of fine-tuning the output layer of the whitened network. For matrices of ones it is one
            epoch, because their inputs are in the hundreds, and longer training at the same learning rate oscillates.
    """

    seed: int
    epochs: int = 100
    tries: int = 100
    margin: float = 0.5
    fine_tuning: int = 20
    samples: int | None = None
    experiment: str = "table3"
    dataset: ClassVar[str] = "mnist"


def train(run: TransformedRun) -> dict[str, Any]:
    """Train, transform, and measure each of the four networks on the test images."""
    import keras
    import numpy as np

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer, error_rate
    from benchmarks.training.models import mlp
    from keras_repreg import ion, measure

    keras.utils.set_random_seed(run.seed)
    data = load("mnist")
    training = data.train.first(run.samples)
    model = mlp("Baseline", 0.0)
    losses = EpochTrainer(model, keras.optimizers.Adam(1e-4), training, seed=run.seed).train(run.epochs)
    if not math.isfinite(losses[-1]):
        return {"loss": losses[-1]}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rng = np.random.default_rng(run.seed)
    width = model.get_layer("representation").units

    def ones_with_random_diagonal(rng: np.random.Generator) -> Any:
        q = np.ones((width, width))
        np.fill_diagonal(q, rng.uniform(size=width))
        return q

    networks = {IDENTITY: model}
    networks[DIAGONAL] = ion.rescale(model, "representation", 1 - rng.uniform(size=width), copy=True)  # in (0, 1]
    networks[ONES], candidates = ion.search_comparable(
        model,
        "representation",
        ones_with_random_diagonal,
        (training.x, training.y),
        (data.validation.x, data.validation.y),
        loss=loss,
        number=run.tries,
        margin=run.margin,
        seed=run.seed,
        epochs=1,
    )
    q, m = whitening_before_relu(model, training.x)
    networks[WHITENING] = ion.comparable(
        model, "representation", q, (training.x, training.y), m, loss=loss, epochs=run.fine_tuning, copy=True
    )
    rows = {}
    for name, network in networks.items():
        measured = measure(network, data.test.x, "representation", batch_size=1000)["representation"]
        rows[name] = {"error": error_rate(network, data.test), **measured}
    return {
        "loss": losses[-1],
        "rows": rows,
        "candidates": [[candidate.error, candidate.correlation] for candidate in candidates],
    }


def whitening_before_relu(model: Any, x: Any) -> tuple[Any, Any]:
    """Return Q and m that whiten the fifth layer's values before its ReLU."""
    import keras
    import numpy as np

    from keras_repreg.ion.covariance import whitening_matrix

    layer = model.get_layer("representation")
    inputs = keras.Model(model.inputs, layer.input).predict(x, batch_size=1000, verbose=0).astype(np.float64)
    kernel, bias = (np.asarray(value, np.float64) for value in layer.get_weights())
    before = inputs @ kernel + bias
    return whitening_matrix(np.cov(before.T, bias=True)), before.mean(axis=0)


def add_tries(parser: argparse.ArgumentParser) -> None:
    """Add the argument that only this table has."""
    parser.add_argument(
        "--tries", type=command.positive, default=TransformedRun.tries, help="random matrices (default %(default)s)"
    )


def runs_of(arguments: argparse.Namespace) -> list[TransformedRun]:
    """Return the runs of the table."""
    shared = command.epochs_and_samples(arguments) | {"tries": 3 if arguments.smoke else arguments.tries}
    return [TransformedRun(seed, **shared) for seed in seeds(arguments)]


def table_of(found: Records) -> Table:
    """Return a row for each Q."""
    results = finished_of(found)
    rows = [
        {"q": name, **summary([result["rows"][name] for result in results], COLUMNS)}
        for name in (IDENTITY, DIAGONAL, ONES, WHITENING)
    ]
    return Table(rows, COLUMNS, paper.printed("table3"), label="q")


EXPERIMENT = Sweep(
    name="table3",
    place="Section 3.2, Theorem 2",
    title="comparable performance networks",
    claim="A positive diagonal Q changes amplitude and covariance and nothing else; with an arbitrary Q and a "
    "fine-tuned output layer, a network of very high or of very low correlation performs comparably.",
    epochs=TransformedRun.epochs,
    runs=runs_of,
    train=train,
    table=table_of,
    setting=lambda run, trials: (
        f"MNIST, {run.samples or 'all'} training images, {run.epochs} epochs, {run.tries} "
        f"random matrices, {run.fine_tuning} epochs of fine-tuning, {trials} network(s)"
    ),
    extra_arguments=add_tries,
)
