"""Tables 4 and 9 in batches, the most telling first: for as long as there is a machine, and on again another day.

Each batch adds conditions, loss weights or networks to those before it, and its table is written when it has ended.
What has a record is not trained again, so the same command continues after an interruption. First comes the default
column of Table 4 with a small search for the loss weights, then 1,000 and 5,000 images of both tables, then widths,
optimizers and numbers of classes, and at the end the whole grid of weights and five networks for each.
"""

import argparse
import sys
from dataclasses import dataclass

from benchmarks import command
from benchmarks.data import load
from benchmarks.experiments import table4, table9
from benchmarks.experiments.cifar import Cifar
from benchmarks.training import backend
from keras_repreg.commands.parser import Parser

HELP = "Tables 4 and 9 in batches, the most telling first"
SMALL_GRID = ("0.01", "1", "100")
FEW, MANY = ("--grid", *SMALL_GRID, "--trials", "3"), ("--trials", "5")


@dataclass(frozen=True)
class Batch:
    """A part of a table.

    Attributes:
        table: The table.
        conditions: All that its table then shows, those of earlier batches too.
        options: How many loss weights and networks.
    """

    table: Cifar
    conditions: tuple[str, ...]
    options: tuple[str, ...] = FEW


_SMALL = ("data_1k", "data_5k")
BATCHES = (
    Batch(table4.EXPERIMENT, ("default",), (*FEW[:-1], "1")),
    Batch(table4.EXPERIMENT, ("default", *_SMALL)),
    Batch(table9.EXPERIMENT, _SMALL),
    Batch(table4.EXPERIMENT, ("default", *_SMALL, "width_32", "width_512")),
    Batch(table4.EXPERIMENT, tuple(table4.EXPERIMENT.conditions)),
    Batch(table9.EXPERIMENT, tuple(table9.EXPERIMENT.conditions)),
    Batch(table4.EXPERIMENT, tuple(table4.EXPERIMENT.conditions), MANY),
    Batch(table9.EXPERIMENT, tuple(table9.EXPERIMENT.conditions), MANY),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line's arguments."""
    for experiment in (table4.EXPERIMENT, table9.EXPERIMENT):
        name = experiment.base.dataset
        parser.add_argument(f"--{name}", default=name, help="of tensorflow-datasets, prepared (default %(default)s)")
    parser.add_argument("--first", type=command.positive, default=1, help="batch to begin with (default %(default)s)")
    parser.add_argument("--last", type=command.positive, default=len(BATCHES), help="batch to end with (default: all)")
    parser.add_argument("--list", action="store_true", help="name the batches, and train nothing")
    command.add_machine_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the batches in order; conditions that the data do not suffice for are named and left out."""
    status = 0
    for number, batch in enumerate(BATCHES, 1):
        if not arguments.first <= number <= arguments.last:
            continue
        name = f"Batch {number} of {len(BATCHES)}: {batch.table.name}, {', '.join(batch.conditions)}"
        print(f"\n{name} {' '.join(batch.options)}", flush=True)
        if not arguments.list:
            try:
                status = max(status, _run(batch, arguments))
            except ValueError as error:
                print(f"{name} was not run: {error}", file=sys.stderr)
                status = 1
    return status


def _run(batch: Batch, arguments: argparse.Namespace) -> int:
    data = getattr(arguments, batch.table.base.dataset)
    backend.start(threads=1)
    possible = batch.table.runnable(load(data, flatten=False), data)
    conditions = [condition for condition in batch.conditions if condition in possible]
    if not conditions:
        raise ValueError(f"Expected data for one of {', '.join(batch.conditions)}. Received: {data}")
    parser = Parser(prog="python -m benchmarks schedule")
    batch.table.add_arguments(parser)
    flags = [f"--data={data}", *batch.options, "--conditions", *conditions, *command.machine_flags(arguments)]
    # What an earlier batch has made is not made again by --fresh.
    return batch.table.run(parser.parse_args(flags, argparse.Namespace(started=arguments.started)))
