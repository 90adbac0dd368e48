"""One run of the MNIST experiments: train the MLP with one regularizer, then measure it."""

import math
from dataclasses import dataclass
from typing import Any

# Frozen: a run is identified by its content.


@dataclass(frozen=True)
class MnistRun:
    """Everything that the result of a run depends on.

    Attributes:
        regularizer: One of the twelve names.
        weight: Its loss weight; 0 for those without.
        seed: Of initial weights, dropout and order of the samples.
        epochs: Passes over the training data.
        samples: Number of training samples, from the first on; None for all.
        dataset: `mnist`, or a name of tensorflow-datasets.
    """

    regularizer: str
    weight: float
    seed: int
    epochs: int
    samples: int | None = None
    dataset: str = "mnist"
    learning_rate: float = 1e-4
    batch_size: int = 100
    width: int = 100


def train(run: MnistRun) -> dict[str, Any]:
    """Train, and return the errors in percent on the three splits and the test characteristics of the fifth layer."""
    import keras_repreg
    from benchmarks.data import load

    model, result = trained(run)
    if model is None:
        return result
    x = load(run.dataset).test.x
    measured = keras_repreg.measure(model, x, "representation", batch_size=1000)["representation"]
    of_pairs = ("covariance", "correlation")
    # Appendix C: with the zeros they differ.
    every = keras_repreg.measure(
        model, x, "representation", characteristics=of_pairs, batch_size=1000, positive_only=False
    )
    return {**result, **measured, **{f"{name}_all": every["representation"][name] for name in of_pairs}}


def trained(run: MnistRun) -> tuple[Any, dict[str, Any]]:
    """Return the trained network, or None where training diverged, its losses, and its errors on the three splits."""
    # Here, not above: the process that only reads records needs no backend.
    import keras

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer, train_and_test
    from benchmarks.training.models import mlp

    keras.utils.set_random_seed(run.seed)
    data = load(run.dataset)
    training = data.train if run.samples is None else data.train.first(run.samples)
    model = mlp(
        run.regularizer,
        run.weight,
        inputs=training.x.shape[1],
        width=run.width,
        classes=data.classes,
    )
    trainer = EpochTrainer(
        model, keras.optimizers.Adam(run.learning_rate), training, batch_size=run.batch_size, seed=run.seed
    )
    result = train_and_test(
        trainer, run.epochs, train_error=training, validation_error=data.validation, error=data.test
    )
    return (model if math.isfinite(result["loss"]) else None), result


def representation(model: Any, x: Any) -> Any:
    """Return the activations of the fifth layer."""
    import keras

    return keras.Model(model.inputs, model.get_layer("representation").output).predict(x, batch_size=1000, verbose=0)
