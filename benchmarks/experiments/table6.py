"""Table 6: what each of the twelve regularizers does to the representation that it is applied to.

Network, data and training: Appendix D and `benchmarks.training.models`; loss weights: `benchmarks.sweeps.search`.
"""

import argparse
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks import command, paper
from benchmarks.data import load
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.sweeps import records, search
from benchmarks.tables.aggregate import as_csv, finished_of, mean_and_std, summary
from benchmarks.tables.table import Table
from benchmarks.training.mnist import MnistRun, train
from keras_repreg.regularizer_set import REGULARIZERS

COLUMNS = ("error", "amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")

# Half of the width of a normal 95% interval, in standard deviations.
NORMAL = 1.96
# The number of epochs is not in the paper. Here the baseline's amplitude and covariance reach those of Table 6
# between epochs 40 and 50, and those of the rank regularizers at 50 to 55.
DEFAULT_RUN = MnistRun("Baseline", 0.0, seed=1, epochs=50)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that only this table has."""
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


def runs_of(arguments: argparse.Namespace) -> list[MnistRun]:
    """Return the runs that the table is made of, after a search for their loss weights if one is asked for."""
    # A data set that is not there is one error here, not one in every run.
    load(arguments.data)
    base = replace(DEFAULT_RUN, dataset=arguments.data, **command.epochs_and_samples(arguments))
    if arguments.weights == "search":
        best, chosen = searched(arguments, base)
    else:
        chosen = search.kept_weights()
        # A smoke run tries each regularizer once.
        best = chosen if arguments.smoke else search.validated_weights()
    of_best, of_chosen = (search.runs_with(base, weights, seeds(arguments)) for weights in (best, chosen))
    both = list(dict.fromkeys(of_best + of_chosen))
    found = command.trained(arguments, both, EXPERIMENT.train, EXPERIMENT.heading)
    by_validation = search.records_with(found, best)
    heading = "Table 6: characteristics with the loss weights of least validation error"
    command.add(arguments, "table6_by_validation", by_validation, table_of(rows_of(by_validation)), heading)
    pairs = paired(found, best, chosen)
    if pairs.rows:
        heading = (
            "Table 6: validation error with the weight nearest to the paper's row minus that with the best, in points"
        )
        command.add(arguments, "table6_paired", found, pairs, heading)
    return of_chosen


def searched(arguments: argparse.Namespace, base: MnistRun) -> tuple[dict[str, float], dict[str, float]]:
    """Search the loss weights and write the search.

    Returns:
        The weights of least validation error, and of those tied with them the nearest to the paper; on other data than
        the paper's the first once more.
    """
    out, trials = command.folder(arguments), arguments.search_trials
    found = command.trained(arguments, search.grid_runs(base, trials), EXPERIMENT.train, "search for loss weights")
    printed = paper.printed("table6") if base.dataset == "mnist" else None
    rows = search.search_rows(found, base, trials, choose="nearest" if printed else "validation", paper=printed)
    command.write(out / "table6_weights.csv", as_csv(rows, records.provenance(found)))
    command.write(out / "table6_weights.md", search.as_markdown(rows))
    return search.picked(rows, "best"), search.picked(rows, "chosen")


def rows_of(found: Records) -> list[dict[str, Any]]:
    """Return a row for each regularizer, from the records of the runs."""
    weights = {record["config"]["regularizer"]: record["config"]["weight"] for record in found}
    rows = []
    for name in REGULARIZERS:
        results = finished_of(found, regularizer=name)
        rows.append({"regularizer": name, "weight": weights.get(name, 0.0), **summary(results, COLUMNS)})
    return rows


def table_of(rows: list[dict[str, Any]]) -> Table:
    """Return the rows with the paper's numbers."""
    return Table(rows, COLUMNS, paper.printed("table6"), shown=("weight",))


def with_zeros(found: Records) -> list[tuple[str, str, Table]]:
    """Return the table of covariance and correlation over positive values and over all, with name and heading.

    Records from before both were measured are left out; without any other there is no table.
    """
    columns = [f"{name}{values}" for name in ("covariance", "correlation") for values in ("", "_all")]
    rows = []
    for name in REGULARIZERS:
        results = [one for one in finished_of(found, regularizer=name) if all(column in one for column in columns)]
        rows.append({"regularizer": name, **summary(results, columns)})
    if not any(row["trials"] for row in rows):
        return []
    return [("table6_all_values", "Table 6: covariance and correlation with zeros", Table(rows, columns))]


def paired(found: Records, best: Mapping[str, float], chosen: Mapping[str, float]) -> Table:
    """Return how far validation distinguishes the two choices of weights, over networks with the same seeds.

    Returns:
        A row for each regularizer with two weights: the validation error with the `nearest` weight minus that with the
        `best`, in percentage points, the ends of its 95% interval (Student's t), and the number of seeds with which
        such an interval would exclude 0, without one where the other weight is not worse.
    """
    from scipy.stats import t

    used = sorted({record["config"]["seed"] for record in found})
    rows = []
    for name in (name for name in REGULARIZERS if best.get(name) != chosen.get(name)):
        differences = []
        for seed in used:
            of_best, of_chosen = (
                finished_of(found, regularizer=name, weight=weights.get(name), seed=seed) for weights in (best, chosen)
            )
            differences += [
                b["validation_error"] - a["validation_error"] for a, b in zip(of_best, of_chosen, strict=False)
            ]
        if len(differences) < 2:
            continue
        mean, std = mean_and_std(differences)
        half = float(t.isf(0.025, len(differences) - 1)) * std / math.sqrt(len(differences))
        needed = math.ceil((NORMAL * std / mean) ** 2) if mean > 0 else 0
        rows.append(
            {"regularizer": name, "best": best[name], "nearest": chosen[name], "seeds_needed": needed}
            | {"trials": len(differences), "difference_mean": mean, "difference_std": std}
            | {"low_mean": mean - half, "low_std": 0.0, "high_mean": mean + half, "high_std": 0.0}
        )
    return Table(rows, ("difference", "low", "high"), shown=("best", "nearest", "seeds_needed"))


EXPERIMENT = Sweep(
    name="table6",
    place="Appendix C",
    title="characteristics of representations",
    claim="Each representation regularizer moves the characteristic that it targets, while weight regularizers move "
    "none; and a large share of dead units, or a rank of one, does not hurt the performance.",
    epochs=DEFAULT_RUN.epochs,
    runs=runs_of,
    train=train,
    table=lambda found: table_of(rows_of(found)),
    setting=lambda run, trials: (
        f"{run.dataset}, {run.samples or 'all'} training samples, {run.epochs} epochs, "
        f"{trials} network(s) each, Adam {run.learning_rate:g}, batch {run.batch_size}"
    ),
    further=with_zeros,
    extra_arguments=add_arguments,
)
