"""Section 4.3: one regularizer over its loss weights, on data made of a known number of factors.

Network, training and scale of the weights are those of Table 6. Figures 2 and 3 differ in regularizer and
characteristic alone.
"""

import argparse
from typing import Any

from benchmarks import command
from benchmarks.data.factors import FACTORS
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.table import Table, title
from benchmarks.training.mnist import MnistRun, train
from keras_repreg.regularizer_set import GRID

SOURCES = {"synthetic": "synthetic data", "mnist-pca": "MNIST's first principal components"}
EPOCHS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    command.add_sweep_arguments(parser, epochs=EPOCHS)


def run(arguments: argparse.Namespace, name: str, regularizer: str, characteristic: str, claim: str) -> int:
    """Train, print, and write a figure: test accuracy and the characteristic against the loss weight."""
    factors = FACTORS[:1] if arguments.smoke else FACTORS
    weights = (0.0, *(GRID[-1:] if arguments.smoke else GRID))
    runs = [
        MnistRun(regularizer if weight else "Baseline", weight, seed, dataset=f"{source}-{d}", **shared)
        for shared in [command.epochs_and_samples(arguments)]
        for source in SOURCES
        for d in factors
        for weight in weights
        for seed in range(1, arguments.trials + 1)
    ]
    heading = f"{name[:-1].capitalize()} {name[-1]}: {regularizer} and the number of independent factors"
    found = command.trained(arguments, runs, train, heading)
    table = table_of(found, factors, weights, characteristic)
    return command.publish(
        arguments,
        name,
        found,
        table,
        picture(table, characteristic),
        heading=heading,
        claim=claim,
        setting=f"{runs[0].samples or 'all'} training samples, {runs[0].epochs} epochs, {arguments.trials} network(s) "
        "for each number of factors and loss weight",
    )


def table_of(
    found: list[dict[str, Any]], factors: tuple[int, ...], weights: tuple[float, ...], characteristic: str
) -> Table:
    """A row for each data set and loss weight."""
    rows = []
    for source in SOURCES:
        for d in factors:
            for weight in weights:
                results = [
                    {**result, "accuracy": 100 - result["error"]}
                    for result in finished_of(found, dataset=f"{source}-{d}", weight=weight)
                ]
                row = {"data": source, "factors": d, "weight": weight}
                rows.append(row | summary(results, ("accuracy", characteristic)))
    return Table(rows, ("accuracy", characteristic), label="data", shown=("factors", "weight"))


def picture(table: Table, characteristic: str) -> bytes:
    """A row a data set: characteristic and accuracy against the weight, with a line for each number of factors."""
    return pictures.drawn(lambda plt: _draw(plt, table, characteristic))


def _draw(plt: Any, table: Table, characteristic: str) -> Any:
    figure, grid = plt.subplots(len(SOURCES), 2, figsize=(11, 8), layout="constrained", sharex=True)
    # On a logarithmic axis no weight at all stands one step before the smallest.
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
