"""Table 8: the twelve regularizers under five conditions on MNIST, with the loss weight of each chosen by validation.

The width is that of all hidden layers; narrow networks start from other weights (`benchmarks.training.models`). On a
smaller training set, training takes 200 epochs, until the validation error no longer falls; so do networks of width 2
on the whole set, whose error still falls then.
"""

import argparse

from benchmarks import paper
from benchmarks.experiments import conditions
from benchmarks.training.mnist import MnistRun, train

HELP = "MNIST: test errors under conditions of data size and width (Table 8)"
EXPERIMENT = conditions.Experiment(
    name="table8",
    heading="Table 8: test errors (%) on MNIST under conditions of data size and width",
    claim="No regularizer performs consistently well for a condition, but the best of the twelve improves on the "
    "baseline in each of them.",
    run=MnistRun("Baseline", 0.0, seed=1, epochs=50),
    conditions={
        "default": {},
        "data_1k": {"samples": 1000, "epochs": 200},
        "data_5k": {"samples": 5000, "epochs": 200},
        "width_2": {"width": 2, "epochs": 200},
        "width_8": {"width": 8},
    },
    train=train,
    paper=paper.errors("table8"),
)
CLAIM = EXPERIMENT.claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    conditions.add_arguments(parser, EXPERIMENT)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 8."""
    return conditions.run(arguments, EXPERIMENT)
