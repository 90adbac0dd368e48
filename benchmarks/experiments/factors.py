"""Figures 2 and 3: one regularizer over its loss weights, on data of a known number of factors."""

import argparse
from dataclasses import dataclass

from benchmarks import controlled
from benchmarks.experiments.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Factors(Experiment):
    """A figure of section 4.3.

    Attributes:
        regularizer: The one that is varied.
        characteristic: What it controls.
    """

    regularizer: str
    characteristic: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        controlled.add_arguments(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        return controlled.run(arguments, self.name, self.regularizer, self.characteristic, self.claim)
