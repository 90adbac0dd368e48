"""Table 4: the twelve regularizers under seven conditions on CIFAR-10, the CNN's fully connected layer regularized."""

import argparse

from benchmarks import paper
from benchmarks.experiments import cifar, conditions
from benchmarks.training.cifar import CifarRun, train

HELP = "CIFAR-10: test errors under conditions of data size, width and optimizer (Table 4)"
EXPERIMENT = conditions.Experiment(
    name="table4",
    heading="Table 4: test errors (%) on CIFAR-10 under conditions of data size, width and optimizer",
    claim="No regularizer performs best under all conditions, but the best of the twelve, a representation "
    "regularizer in each of them, improves on the baseline by 1.9 to 6 points.",
    run=CifarRun("Baseline", 0.0, seed=1, epochs=cifar.EPOCHS),
    conditions=cifar.SIZES | {"momentum": {"optimizer": "momentum"}, "rmsprop": {"optimizer": "rmsprop"}},
    train=train,
    paper=paper.errors("table4"),
    smoke=cifar.SMOKE,
)
CLAIM = EXPERIMENT.claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    cifar.add_arguments(parser, EXPERIMENT)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 4."""
    return cifar.run(arguments, EXPERIMENT)
