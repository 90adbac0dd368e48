"""Figures 2 and 3: one regularizer over its loss weights, on data with a known number of factors (section 4.3).

Network, training and scale of the weights are those of Table 6. The two figures differ only in the regularizer and the
characteristic.
"""

import argparse
from typing import Any

from benchmarks import command
from benchmarks.data.factors import FACTORS
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.table import Table, title
from benchmarks.training.mnist import MnistRun, train
from keras_repreg.regularizer_set import GRID

SOURCES = {"synthetic": "synthetic data", "mnist-pca": "MNIST's first principal components"}


def figure(name: str, regularizer: str, characteristic: str, claim: str) -> Sweep:
    """Return the experiment that plots a characteristic and the accuracy against a regularizer's loss weight."""
    return Sweep(
        name=name,
        place="Section 4.3",
        title=f"{regularizer} and the number of independent factors",
        claim=claim,
        epochs=50,
        runs=lambda arguments: runs_of(arguments, regularizer),
        train=train,
        table=lambda found: table_of(found, characteristic),
        setting=lambda run, trials: (
            f"{run.samples or 'all'} training samples, {run.epochs} epochs, {trials} network(s) "
            "for each number of factors and loss weight"
        ),
        picture=lambda table, _: pictures.drawn(lambda plt: _draw(plt, table, characteristic)),
    )


def runs_of(arguments: argparse.Namespace, regularizer: str) -> list[MnistRun]:
    """Return the runs of a figure."""
    factors = FACTORS[:1] if arguments.smoke else FACTORS
    weights = (0.0, *(GRID[-1:] if arguments.smoke else GRID))
    shared = command.epochs_and_samples(arguments)
    return [
        MnistRun(regularizer if weight else "Baseline", weight, seed, dataset=f"{source}-{d}", **shared)
        for source in SOURCES
        for d in factors
        for weight in weights
        for seed in seeds(arguments)
    ]


def table_of(found: Records, characteristic: str) -> Table:
    """Return a row for each data set and loss weight."""
    rows = []
    for dataset, weight in dict.fromkeys((one["config"]["dataset"], one["config"]["weight"]) for one in found):
        results = finished_of(found, dataset=dataset, weight=weight)
        results = [{**result, "accuracy": 100 - result["error"]} for result in results]
        source, d = dataset.rsplit("-", 1)
        row = {"data": source, "factors": int(d), "weight": weight}
        rows.append(row | summary(results, ("accuracy", characteristic)))
    return Table(rows, ("accuracy", characteristic), label="data", shown=("factors", "weight"))


def _draw(plt: Any, table: Table, characteristic: str) -> Any:
    """Draw one row per data source: characteristic and accuracy against the weight, one line per number of factors."""
    figure, grid = plt.subplots(len(SOURCES), 2, figsize=(9, 6.5), layout="constrained", sharex=True)
    # On the logarithmic axis, a weight of 0 is drawn one step to the left of the smallest weight.
    weights = list(dict.fromkeys(row["weight"] for row in table.rows))
    places = [weight or GRID[0] / 10 for weight in weights]
    shades = plt.get_cmap("viridis")
    for axes, (source, words) in zip(grid, SOURCES.items(), strict=True):
        factors = list(dict.fromkeys(row["factors"] for row in table.rows))
        for axis, column in zip(axes, (characteristic, "accuracy"), strict=True):
            for i, d in enumerate(factors):
                rows = [row for row in table.rows if (row["data"], row["factors"]) == (source, d)]
                axis.errorbar(
                    places, [row[f"{column}_mean"] for row in rows], yerr=[row[f"{column}_std"] for row in rows],
                    color=shades(0.9 * i / max(len(factors) - 1, 1)), marker="o", markersize=4, capsize=2,
                    label=f"d = {d}",
                )  # fmt: skip
            axis.set_xscale("log")
            axis.set_xticks(places, [f"{weight:g}" for weight in weights])
            axis.minorticks_off()
            axis.set_ylabel(title(column) + (" (%)" if column == "accuracy" else ""))
            axis.set_title(words)
    for axis in grid[-1]:
        axis.set_xlabel("loss weight")
    grid[0][0].legend(frameon=False)
    return figure
