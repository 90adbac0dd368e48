"""Figure 3: RR's loss weight against rank and accuracy, for data of d independent factors."""

import argparse

from benchmarks import controlled
from benchmarks.controlled import add_arguments

__all__ = ["CLAIM", "HELP", "add_arguments", "run"]

HELP = "rank and accuracy under RR by number of factors (Figure 3)"
CLAIM = (
    "Rank is controlled well by RR's loss weight, while the accuracy shows no meaningful dependency on the number of "
    "independent factors of the data."
)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Figure 3."""
    return controlled.run(arguments, "figure3", "RR", "stable_rank", CLAIM)
