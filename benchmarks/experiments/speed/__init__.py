"""Compare running times, in five parts.

`kernels`: value and gradient of each penalty, and of a loop over classes.
`steps`: the cost that each regularizer adds to a training step.
`epochs`: an epoch in one compiled function, as in these experiments, and an epoch of `model.fit`.
`processes`: a sweep with one process per core, and with one process that has one thread per core.
`measure`: characteristics of layers and `predict`; training with and without logging them.

The candidates run in turns, so that changes in the machine's speed affect all of them. Each turn gives one ratio.
"""

import argparse
import importlib
import os

from benchmarks import command
from benchmarks.experiments.speed.timing import CLOCKS
from benchmarks.sweeps import records
from benchmarks.tables.aggregate import as_csv
from benchmarks.training import backend

HELP = "running times of penalties, training steps, epochs, sweeps and characteristics"

PARTS = ("kernels", "steps", "epochs", "processes", "measure")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--repeats", type=command.positive, default=5, help="number of turns (default 5)")
    parser.add_argument("--only", choices=PARTS, default=None, help="run one part (default: all)")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="wall-clock time, or the processor time of this process (for shared machines)",
    )
    command.add_place_arguments(parser, "check that it runs: smallest sizes and two turns")


def run(arguments: argparse.Namespace) -> int:
    """Measure the parts one after the other, and print and write the ratios."""
    out = command.folder(arguments)
    repeats = 2 if arguments.smoke else arguments.repeats
    backend.start(threads=os.cpu_count() or 1)
    environment = records.environment()
    setting = f"{records.in_words(environment)}; {arguments.clock} clock, {repeats} turns"
    written = []
    for part in PARTS if arguments.only is None else (arguments.only,):
        # Imported here, because the modules import Keras, whose backend must be started first.
        module = importlib.import_module(f"{__name__}.{'measurements' if part == 'measure' else part}")
        rows = module.compare(repeats, arguments.clock, smoke=arguments.smoke)
        markdown = module.as_markdown(rows)
        print(f"\n{markdown}", flush=True)
        comment = f"commit {environment['commit']}; {setting}"
        written.append(command.write(out / f"speed_{part}.csv", as_csv(rows, comment)))
        written.append(command.write(out / f"speed_{part}.md", f"{markdown}\nOn {setting}.\n"))
    print(setting)
    print(f"Written: {', '.join(str(path) for path in written)}")
    return 0
