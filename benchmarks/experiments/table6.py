"""Table 6: what each of the twelve regularizers does to the representation that it is applied to.

Network, data and training: Appendix D and `benchmarks.training.models`; loss weights: `benchmarks.sweeps.search`.
"""

import argparse
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import command, paper
from benchmarks.data import load
from benchmarks.sweeps import search as weights
from benchmarks.sweeps.workers import LOCAL, Workers
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import as_csv, finished_of, summary
from benchmarks.tables.table import Table
from benchmarks.training.mnist import MnistRun, train
from keras_repreg.regularizer_set import REGULARIZERS

HELP = "characteristics of the twelve regularizers (Table 6)"
CLAIM = (
    "Each representation regularizer moves the characteristic that it targets, while weight regularizers move none; "
    "and a large share of dead units, or a rank of one, does not hurt the performance."
)
COLUMNS = ("error", "amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")

# The number of epochs is not in the paper. Here the baseline's amplitude and covariance reach those of Table 6
# between epochs 40 and 50, and those of the rank regularizers at 50 to 55.
DEFAULT_RUN = MnistRun("Baseline", 0.0, seed=1, epochs=50)


@dataclass(frozen=True)
class Settings:
    """How Table 6 is made.

    Attributes:
        trials: Networks per regularizer, with seeds 1, 2, ...
        run: What all runs share.
        workers: How many, and where.
    """

    trials: int = 1
    run: MnistRun = DEFAULT_RUN
    workers: Workers = LOCAL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    command.add_sweep_arguments(parser, epochs=DEFAULT_RUN.epochs)
    parser.add_argument(
        "--weights",
        choices=("kept", "search"),
        default="kept",
        help="loss weights: those kept in the repository, or a new search on the validation set (Appendix D.1)",
    )
    parser.add_argument(
        "--search-trials", type=command.positive, default=5, help="networks per weight searched (default %(default)s)"
    )
    parser.add_argument("--data", default="mnist", help="mnist, or a name of tensorflow-datasets")


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 6."""
    # A data set that is not there is one error here, not one in every run.
    load(arguments.data)
    shared = replace(DEFAULT_RUN, dataset=arguments.data, **command.epochs_and_samples(arguments))
    settings = Settings(trials=arguments.trials, run=shared, workers=command.workers(arguments))
    chosen = _searched(arguments, settings) if arguments.weights == "search" else weights.kept_weights()
    heading = "Table 6: characteristics of representations"
    found = command.trained(arguments, runs_of(settings, chosen), train, heading)
    table = table_of(rows_of(found, chosen))
    return command.publish(
        arguments,
        "table6",
        found,
        table,
        pictures.against_paper(table),
        heading=heading,
        claim=CLAIM,
        setting=f"{shared.dataset}, {shared.samples or 'all'} training samples, {shared.epochs} epochs, "
        f"{settings.trials} network(s) each, Adam {shared.learning_rate:g}, batch {shared.batch_size}",
    )


def table_of(rows: list[dict[str, Any]]) -> Table:
    """The rows beside the paper's."""
    return Table(rows, COLUMNS, paper.table6(), shown=("weight",))


def _searched(arguments: argparse.Namespace, settings: Settings) -> dict[str, float]:
    """The weights that a search finds; the search is written, and the table by validation alone."""
    out = command.folder(arguments)
    near = paper.table6() if settings.run.dataset == "mnist" else None
    searched = weights.search_weights(settings.run, arguments.search_trials, out / "records", near, settings.workers)
    command.write(out / "table6_weights.csv", as_csv(searched))
    command.write(out / "table6_weights.md", weights.as_markdown(searched))
    best = weights.picked(searched, "best")
    heading = "Table 6: characteristics with the loss weights of least validation error"
    found = command.trained(arguments, runs_of(settings, best), train, heading)
    command.add(arguments, "table6_by_validation", found, table_of(rows_of(found, best)), heading)
    return weights.picked(searched, "chosen")


def rows_of(found: list[dict[str, Any]], weights: dict[str, float]) -> list[dict[str, Any]]:
    """One row a regularizer, from the runs' records."""
    return [
        {
            "regularizer": name,
            "weight": weights.get(name, 0.0),
            **summary(finished_of(found, regularizer=name, weight=weights.get(name, 0.0)), COLUMNS),
        }
        for name in REGULARIZERS
    ]


def runs_of(settings: Settings, weights: dict[str, float]) -> list[MnistRun]:
    """The runs that the table is made of."""
    return [
        replace(settings.run, regularizer=name, weight=weights.get(name, 0.0), seed=seed)
        for name in REGULARIZERS
        for seed in range(1, settings.trials + 1)
    ]
