"""Table 8: the twelve regularizers under five conditions on MNIST, with the loss weight of each chosen by validation.

Appendix D.1: of the grid, the weight with the least validation error, for each regularizer and condition; the test
error of its networks is shown. The width is that of all hidden layers. A smaller training set is passed over more
often, until the validation error no longer falls: 200 times.
"""

import argparse
from typing import Any

from benchmarks import command, paper, pictures
from benchmarks.aggregate import finished_of, mean_and_std
from benchmarks.mnist_run import MnistRun, train
from benchmarks.regularizers import REGULARIZERS
from benchmarks.table import Table

HELP = "test errors under conditions of data size and width (Table 8)"
CLAIM = (
    "No regularizer performs consistently well for a condition, but the best of the twelve improves on the baseline in "
    "each of them."
)
EPOCHS = 50
CONDITIONS: dict[str, dict[str, int]] = {
    "default": {},
    "data_1k": {"samples": 1000, "epochs": 200},
    "data_5k": {"samples": 5000, "epochs": 200},
    "width_2": {"width": 2},
    "width_8": {"width": 8},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    command.add_sweep_arguments(parser, epochs=EPOCHS)
    parser.add_argument(
        "--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), help="the columns (default: all)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 8."""
    runs = {condition: runs_of(arguments, condition) for condition in arguments.conditions}
    heading = "Table 8: test errors (%) under conditions of data size and width"
    found = command.trained(arguments, [run for some in runs.values() for run in some], train, heading)
    table = table_of(found, {condition: some[0] for condition, some in runs.items()})
    return command.publish(
        arguments,
        "table8",
        found,
        table,
        pictures.against_paper(table),
        heading=heading,
        claim=CLAIM,
        setting=f"MNIST; {'; '.join(in_words(condition, some[0]) for condition, some in runs.items())}; "
        f"{arguments.trials} network(s) for each regularizer, loss weight and condition",
        deviations=True,
    )


def runs_of(arguments: argparse.Namespace, condition: str) -> list[MnistRun]:
    """Every regularizer with every weight of its grid."""
    shared: dict[str, Any] = {"epochs": arguments.epochs, **CONDITIONS[condition]}
    if arguments.smoke:
        shared |= {"epochs": 1, "samples": min(shared.get("samples", 2000), command.SMOKE_SAMPLES)}
    return [
        MnistRun(name, weight, seed, **shared)
        for name, regularizer in REGULARIZERS.items()
        for weight in (regularizer.weights[:1] if arguments.smoke else regularizer.weights) or (0.0,)
        for seed in range(1, arguments.trials + 1)
    ]


def in_words(condition: str, run: MnistRun) -> str:
    """What is trained under a condition."""
    return f"{condition}: {run.samples or 'all'} training images, width {run.width}, {run.epochs} epochs"


def table_of(found: list[dict[str, Any]], conditions: dict[str, MnistRun]) -> Table:
    """A row for each regularizer, with error and chosen weight in each condition."""
    rows = []
    for name, regularizer in REGULARIZERS.items():
        row: dict[str, Any] = {"regularizer": name, "trials": 0}
        for condition, run in conditions.items():
            like = {"epochs": run.epochs, "samples": run.samples, "width": run.width}
            by_weight = {
                weight: finished_of(found, regularizer=name, weight=weight, **like)
                for weight in regularizer.weights or (0.0,)
            }
            weight, results = chosen(by_weight)
            row[f"{condition}_mean"], row[f"{condition}_std"] = mean_and_std([result["error"] for result in results])
            row[f"{condition}_weight"] = weight
            row["trials"] = max(row["trials"], len(results))
        rows.append(row)
    return Table(rows, list(conditions), paper.table8(), competition=True)


def chosen(by_weight: dict[float, list[dict[str, Any]]]) -> tuple[float, list[dict[str, Any]]]:
    """The weight of least validation error, and its results; one with which a network failed to train is not chosen."""
    trials = max(map(len, by_weight.values()))
    whole = {weight: results for weight, results in by_weight.items() if len(results) == trials}
    return min(whole.items(), key=lambda pair: mean_and_std([result["validation_error"] for result in pair[1]])[0])
