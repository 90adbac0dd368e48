"""A run of the CIFAR experiments: train the CNN of Table 7 with one regularizer, then test it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CifarRun:
    """The configuration of a run, which determines its result.

    Attributes:
        regularizer: Name of one of the twelve regularizers.
        weight: Its loss weight; 0 for regularizers without one.
        seed: Seed of the initial weights, dropout and the order of the samples.
        epochs: Number of training epochs.
        samples: Use only the first `samples` training samples; None for all.
        merged: Whether to append the validation images to the training images, as in Appendix D.1 once the loss weight
            is fixed.
        classes: Use only the first `classes` classes; None for all.
        dataset: Name of the data set in tensorflow-datasets.
        optimizer: A key of `OPTIMIZERS`.
    """

    regularizer: str
    weight: float
    seed: int
    epochs: int
    samples: int | None = None
    merged: bool = False
    classes: int | None = None
    dataset: str = "cifar10"
    optimizer: str = "adam"
    batch_size: int = 100
    width: int = 128


# Appendix D.3: name of the Keras class, and its arguments.
OPTIMIZERS: dict[str, tuple[str, dict[str, float]]] = {
    "adam": ("Adam", {"learning_rate": 1e-4}),
    "momentum": ("SGD", {"learning_rate": 0.01, "momentum": 0.9}),
    "rmsprop": ("RMSprop", {"learning_rate": 1e-4}),
}


def train(run: CifarRun) -> dict[str, Any]:
    """Train, and return the error rates in percent on the training, validation and test samples."""
    # Imported here, because a process that only reads records needs no backend.
    import keras

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer, train_and_test
    from benchmarks.training.models import cnn

    keras.utils.set_random_seed(run.seed)
    data = load(run.dataset, flatten=False)
    if run.classes is not None:
        data = data.of_first_classes(run.classes)
    pool = data.merged().train if run.merged else data.train
    training = pool.first(run.samples)
    model = cnn(run.regularizer, run.weight, inputs=training.x.shape[1:], width=run.width, classes=data.classes)
    name, arguments = OPTIMIZERS[run.optimizer]
    trainer = EpochTrainer(
        model, getattr(keras.optimizers, name)(**arguments), training, batch_size=run.batch_size, seed=run.seed
    )
    return train_and_test(trainer, run.epochs, train_error=training, validation_error=data.validation, error=data.test)
