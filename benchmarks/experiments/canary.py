"""Twelve short trainings, one per regularizer, with reference numbers in `benchmarks/results/canary.csv`.

A test repeats them on TensorFlow. If the numbers change, either a code change altered training by mistake, or all
results must be updated, including these numbers: `python -m benchmarks canary --out benchmarks/results`.

With these loss weights, a penalty that is 1% larger changes one of the numbers by 0.18% to 2.7%. The tolerance is
0.05%. Disabling oneDNN and using two threads instead of one changes the numbers of batch normalization by 0.008% and
all others by less than 0.00005%.
"""

import argparse
from typing import Any

from benchmarks import command
from benchmarks.sweeps import records
from benchmarks.tables.aggregate import as_csv

HELP = "twelve short trainings, which detect changes in training"
SAMPLES, EPOCHS, LEARNING_RATE, SEED = 1000, 2, 1e-3, 1
# Relative tolerance: passes on another CPU, and fails if a penalty is 1% larger.
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
    """Add the command's arguments."""
    command.add_place_arguments(parser, "check that it runs: write to a separate folder")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print and write the numbers."""
    from benchmarks.training import backend

    backend.start(threads=1)
    rows = [numbers(name, weight) for name, weight in WEIGHTS.items()]
    environment = records.environment()
    text = as_csv(rows, f"commit {environment['commit']}; {records.in_words(environment)}")
    print(text, end="")
    print(f"Written: {command.write(command.folder(arguments) / 'canary.csv', text)}")
    return 0


def numbers(name: str, weight: float) -> dict[str, Any]:
    """Train one network, and return the loss of each epoch and the mean and deviation of its representation."""
    # Imported here, because `--help` needs no backend.
    import keras

    from benchmarks.data import load
    from benchmarks.training.epochs import EpochTrainer
    from benchmarks.training.mnist import representation
    from benchmarks.training.models import mlp

    keras.utils.set_random_seed(SEED)
    data = load("mnist").train.first(SAMPLES)
    model = mlp(name, weight)
    # Without XLA, because it compiles for several seconds where tracing takes one.
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
