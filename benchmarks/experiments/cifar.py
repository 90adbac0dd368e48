"""Shared parts of Tables 4 and 9: the CNN of Table 7 on a data set of images, under the conditions of D.3.

The paper does not give the number of epochs. After 50 epochs on 1,000 images of CIFAR-10 the baseline's error is close
to the paper's: 58.0% on a subset of 1,017 test images, compared with 56.1%.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.data import Splits, load
from benchmarks.experiments.conditions import Conditions
from benchmarks.training import backend

EPOCHS = 50
# Conditions that Tables 4 and 9 share.
SIZES: dict[str, dict[str, Any]] = {
    "default": {},
    "data_1k": {"samples": 1000},
    "data_5k": {"samples": 5000},
    "width_32": {"width": 32},
    "width_512": {"width": 512},
}
# Few images, because a training step takes a quarter of a second and testing 20,000 images takes a minute.
SMOKE = {"epochs": 1, "samples": 200}
# Training images of the complete data sets, without the validation images.
COMPLETE = 40_000


@dataclass(frozen=True, kw_only=True)
class Cifar(Conditions):
    """Table 4 or 9. By default, conditions that need more images than the data set has are skipped."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--data", default=self.base.dataset, help="prepared tensorflow-datasets name (default %(default)s)"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        backend.start(threads=1)
        # A missing data set raises one error here instead of one in every run.
        data = load(arguments.data, flatten=False)
        if data.train.x.ndim != 4 or min(data.train.x.shape[1:3]) < 8:
            raise ValueError(
                f"Expected images of 8 x 8 pixels or more with channels. Received: {data.train.x.shape[1:]}"
            )
        names = arguments.conditions or self.runnable(data, arguments.data)
        dataset = f"{arguments.data}:{SMOKE['samples']}" if arguments.smoke else arguments.data
        return self.run_conditions(arguments, names, dataset=dataset)

    def runnable(self, data: Splits, name: str) -> list[str]:
        """Return the conditions for which there are enough training images; report the others on stderr.

        Raises:
            ValueError: if there are too few images for any condition.
        """
        needed = {condition: fields.get("samples", COMPLETE) for condition, fields in self.conditions.items()}
        missing = [condition for condition, samples in needed.items() if samples > len(data.train)]
        if len(missing) == len(needed):
            raise ValueError(f"Expected {min(needed.values())} training images. Received: {len(data.train)} of {name}")
        if missing:
            print(
                f"Not run, as {name} has {len(data.train)} training and {len(data.validation)} validation images: "
                f"{', '.join(f'{condition} (needs {needed[condition]})' for condition in missing)}",
                file=sys.stderr,
            )
        return [condition for condition in needed if condition not in missing]

    def final(self, run: Any) -> Any:
        """Add the validation images to the training images once the loss weight is fixed (D.1)."""
        kept = len(load(run.dataset, flatten=False).train)
        return run if run.samples and run.samples <= kept else replace(run, merged=True)
