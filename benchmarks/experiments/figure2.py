"""Figure 2: L1R's loss weight against sparsity and accuracy, for data of d independent factors."""

import argparse

from benchmarks import controlled
from benchmarks.controlled import add_arguments

__all__ = ["CLAIM", "HELP", "add_arguments", "run"]

HELP = "sparsity and accuracy under L1R by number of factors (Figure 2)"
CLAIM = (
    "Sparsity is controlled well by L1R's loss weight, while the accuracy shows no meaningful dependency on the number "
    "of independent factors of the data."
)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Figure 2."""
    return controlled.run(arguments, "figure2", "L1R", "sparsity", CLAIM)
