"""A run of the MNIST experiments: train the MLP with one regularizer, then measure it."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MnistRun:
    """The configuration of a run, which determines its result.

    Attributes:
        regularizer: Name of one of the twelve regularizers.
        weight: Its loss weight; 0 for regularizers without one.
        seed: Seed of the initial weights, dropout and the order of the samples.
        epochs: Number of training epochs.
        samples: Use only the first `samples` training samples; None for all.
        dataset: A name that `benchmarks.data.load` accepts.
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
    """Train, and return the error rates on the three splits and the fifth layer's characteristics on the test split."""
    import keras_repreg
    from benchmarks.data import load

    model, result = trained(run)
    if model is None:
        return result
    x = load(run.dataset).test.x
    measured = keras_repreg.measure(model, x, "representation", batch_size=1000)["representation"]
    pairwise = ("covariance", "correlation")
    # Appendix C: including zeros changes them.
    every = keras_repreg.measure(
        model, x, "representation", characteristics=pairwise, batch_size=1000, positive_only=False
    )
    return {**result, **measured, **{f"{name}_all": every["representation"][name] for name in pairwise}}


def trained(run: MnistRun) -> tuple[Any, dict[str, Any]]:
    """Return the trained network (None if training diverged), and its losses and error rates on the three splits."""
    # Imported here, because a process that only reads records needs no backend.
    import keras

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer, train_and_test
    from benchmarks.training.models import mlp

    keras.utils.set_random_seed(run.seed)
    data = load(run.dataset)
    training = data.train.first(run.samples)
    model = mlp(run.regularizer, run.weight, inputs=training.x.shape[1], width=run.width, classes=data.classes)
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
