"""What Tables 4 and 9 have in common: the CNN of Table 7 on a data set of images, under the conditions of D.3.

The paper does not say how long it trained. After 50 epochs on 1,000 images the baseline's error is near the paper's:
58.0% on a subset's 1,017 test images, where the paper has 56.1%.
"""

import argparse
from dataclasses import replace
from typing import Any

from benchmarks.data import load
from benchmarks.experiments import conditions
from benchmarks.experiments.conditions import Experiment
from benchmarks.training import backend
from benchmarks.training.cifar import CifarRun

EPOCHS = 50
# Those of Table 4 and Table 9 alike.
SIZES: dict[str, dict[str, Any]] = {
    "default": {},
    "data_1k": {"samples": 1000},
    "data_5k": {"samples": 5000},
    "width_32": {"width": 32},
    "width_512": {"width": 512},
}
# Few steps on few images: a step takes a quarter of a second.
SMOKE = {"epochs": 1, "samples": 200}


def add_arguments(parser: argparse.ArgumentParser, experiment: Experiment) -> None:
    """The command line's."""
    conditions.add_arguments(parser, experiment)
    parser.add_argument(
        "--data",
        default=experiment.run.dataset,
        help="of tensorflow-datasets, prepared (default %(default)s)",
    )


def run(arguments: argparse.Namespace, experiment: Experiment) -> int:
    """Train, print, and write the table."""
    backend.start(threads=1)
    # A data set that is not there is one error here, not one in every run.
    data = load(arguments.data, flatten=False)
    if data.train.x.ndim != 4 or min(data.train.x.shape[1:3]) < 8:
        raise ValueError(f"Expected images of 8 x 8 pixels or more with channels. Received: {data.train.x.shape[1:]}")

    def merged(run: CifarRun) -> CifarRun:
        """Once the loss weight is fixed, the validation images are merged back into the training images (D.1)."""
        return run if run.samples and run.samples <= len(data.train) else replace(run, merged=True)

    return conditions.run(arguments, replace(experiment, final=merged), dataset=arguments.data)
