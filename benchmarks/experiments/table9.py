"""Table 9: the twelve regularizers under seven conditions on CIFAR-100, the CNN's fully connected layer regularized.

Batches of 500 (Appendix D.1), so that each class has some samples in them. With fewer classes, these are the first.
"""

import argparse

from benchmarks import paper
from benchmarks.experiments import cifar, conditions
from benchmarks.training.cifar import CifarRun, train

HELP = "CIFAR-100: test errors under conditions of data size, width and number of classes (Table 9)"
EXPERIMENT = conditions.Experiment(
    name="table9",
    heading="Table 9: test errors (%) on CIFAR-100 under conditions of data size, width and number of classes",
    claim="No regularizer performs best under all conditions, but the best of the twelve improves on the baseline in "
    "each of them.",
    run=CifarRun("Baseline", 0.0, seed=1, epochs=cifar.EPOCHS, dataset="cifar100", batch_size=500),
    conditions=cifar.SIZES | {"classes_16": {"classes": 16}, "classes_64": {"classes": 64}},
    train=train,
    paper=paper.errors("table9"),
    smoke=cifar.SMOKE,
)
CLAIM = EXPERIMENT.claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    cifar.add_arguments(parser, EXPERIMENT)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 9."""
    return cifar.run(arguments, EXPERIMENT)
