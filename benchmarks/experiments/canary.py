"""Twelve short trainings, one per regularizer, whose numbers are kept in `benchmarks/results/canary.csv`.

A test trains them again. A change to code that training depends on changes these numbers, and then either the change is
a mistake, or results have to be made again and the numbers with them: `python -m benchmarks canary --out
benchmarks/results`.

The loss weights are such that a penalty that is 1% larger moves one of the numbers by 0.18% to 2.7%. The tolerance is
0.05%. Without oneDNN and with two threads instead of one, the numbers of batch normalization move by 0.008% and all
others by less than 0.00005%. They are those of TensorFlow.
"""

import argparse
from typing import Any

from benchmarks import command
from benchmarks.sweeps import records
from benchmarks.tables.aggregate import as_csv

HELP = "twelve short trainings, whose numbers show whether the code still trains as it did"
SAMPLES, EPOCHS, LEARNING_RATE, SEED = 1000, 2, 1e-3, 1
# Relative: loose enough for another CPU, and tight enough for a penalty that is 1% larger.
TOLERANCE = 5e-4
WEIGHTS = {
    "Baseline": 0.0,
    "L1W": 10.0,
    "L2W": 100.0,
    "Dropout": 0.0,
    "BN": 0.0,
    "CR": 2e5,
    "cw-CR": 2e5,
    "VR": 40.0,
    "cw-VR": 60.0,
    "L1R": 1.0,
    "RR": 0.1,
    "cw-RR": 0.01,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line's arguments."""
    command.add_place_arguments(parser, "writes into a folder of its own: does it run?")


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write the numbers."""
    from benchmarks.training import backend

    backend.start(threads=1)
    rows = [numbers(name, weight) for name, weight in WEIGHTS.items()]
    environment = records.environment()
    text = as_csv(rows, f"commit {environment['commit']}; {records.in_words(environment)}")
    print(text, end="")
    print(f"Written: {command.write(command.folder(arguments) / 'canary.csv', text)}")
    return 0


def numbers(name: str, weight: float) -> dict[str, Any]:
    """Train one network, and return the losses of its epochs and the mean and spread of its representation."""
    # Here, not above: the process that prints the help needs no backend.
    import keras

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer
    from benchmarks.training.mnist import representation
    from benchmarks.training.models import mlp

    keras.utils.set_random_seed(SEED)
    data = load("mnist").train.first(SAMPLES)
    model = mlp(name, weight)
    # Tracing takes a second, XLA several.
    trainer = EpochTrainer(model, keras.optimizers.Adam(LEARNING_RATE), data, seed=SEED, jit_compile=False)
    losses = trainer.train(EPOCHS)
    z = representation(model, data.x).astype("float64")
    return {
        "regularizer": name,
        "weight": weight,
        **{f"loss_{number}": loss for number, loss in enumerate(losses, 1)},
        "mean": float(z.mean()),
        "deviation": float(z.std()),
    }
