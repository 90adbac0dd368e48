"""Figure 4: bounds of I(z;x) and I(z;y) of the twelve regularizers, beside the generalization error.

The networks are those of Table 6. The paper does not say which noise variance its bounds are for, so that they are
computed for several. The figure shows that of 1: below it, many of the networks are saturated, with every sample told
from every other. The correlations with the error are given for each.
"""

import argparse
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from benchmarks import command, paper, pictures, weights
from benchmarks.aggregate import finished_of, summary
from benchmarks.mnist_run import MnistRun, representation, trained
from benchmarks.regularizers import REGULARIZERS
from benchmarks.table import Table

HELP = "mutual information and generalization error (Figure 4)"
CLAIM = (
    "All regularizers end up with almost the same I(z;y), while I(z;x) depends on the regularizer, and its bounds go "
    "along with the generalization error: the correlations are 0.84 for the lower and 0.78 for the upper bound."
)
EPOCHS = 50
NOISE_VARIANCES = (0.001, 0.01, 0.1, 1.0, 10.0)
SHOWN = 1.0
BOUNDS = ("zx_lower", "zx_upper", "zy_lower", "zy_upper")
# Differences of bounds, as in the authors' own figure, which bound nothing.
CONVENTIONAL = ("zy_lower_conventional", "zy_upper_conventional")
COLUMNS = ("error", *BOUNDS, *CONVENTIONAL)


@dataclass(frozen=True)
class InformationRun(MnistRun):
    """A network of Table 6 of which the mutual information is measured, in nats, on the test images."""

    noise_variances: tuple[float, ...] = NOISE_VARIANCES
    experiment: str = "figure4"


def train(run: InformationRun) -> dict[str, Any]:
    """Train, and measure the bounds at each noise variance."""
    from benchmarks.data import load
    from keras_repreg.information import noise_sweep

    model, result = trained(run)
    if model is None:
        return result
    test = load(run.dataset).test
    if run.samples is not None:  # the cost grows with the square of their number
        test = test.first(run.samples)
    found = noise_sweep(representation(model, test.x), test.y, run.noise_variances)
    return {**result, "information": [dataclasses.asdict(one) for one in found]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    command.add_sweep_arguments(parser, epochs=EPOCHS)


def run(arguments: argparse.Namespace) -> int:
    """Train, print, and write Figure 4."""
    chosen = weights.kept_weights()
    runs = [
        InformationRun(name, chosen.get(name, 0.0), seed, **command.epochs_and_samples(arguments))
        for name in REGULARIZERS
        for seed in range(1, arguments.trials + 1)
    ]
    heading = "Figure 4: mutual information and generalization error"
    found = command.trained(arguments, runs, train, heading)
    table = bounds(found, SHOWN)
    status = command.publish(
        arguments,
        "figure4",
        found,
        table,
        picture(table),
        heading=heading,
        claim=CLAIM,
        setting=f"MNIST, {runs[0].samples or 'all'} training images, {runs[0].epochs} epochs, {arguments.trials} "
        f"network(s) each; nats, 10,000 test images (log N = {math.log(10_000):.2f}), noise variance {SHOWN:g}",
    )
    of_bounds = "Correlation of I(z;x) with the error, over networks"
    command.add(arguments, "figure4_correlations", found, correlations(found), of_bounds)
    return status


def bounds(found: list[dict[str, Any]], noise_variance: float) -> Table:
    """A row for each regularizer."""
    rows = [
        {"regularizer": name, **summary(_at(finished_of(found, regularizer=name), noise_variance), COLUMNS)}
        for name in REGULARIZERS
    ]
    return Table(rows, COLUMNS)


def correlations(found: list[dict[str, Any]]) -> Table:
    """A row for each noise variance: Pearson's correlation of each bound with the error, over regularizers."""
    import numpy as np

    rows = []
    for noise_variance in NOISE_VARIANCES:
        means = [row for row in bounds(found, noise_variance).rows if row["trials"]]
        row: dict[str, Any] = {"noise_variance": f"{noise_variance:g}", "trials": len(means)}
        for bound in BOUNDS:
            pairs = [[one[f"{bound}_mean"], one["error_mean"]] for one in means]
            row[f"{bound}_mean"] = _pearson(np.array(pairs, dtype=float))
            row[f"{bound}_std"] = 0.0
        rows.append(row)
    printed = {"zx_lower": paper.figure4()["lower_bound"], "zx_upper": paper.figure4()["upper_bound"]}
    return Table(rows, BOUNDS, {f"{variance:g}": printed for variance in NOISE_VARIANCES}, label="noise_variance")


def _pearson(pairs: Any) -> float:
    import numpy as np

    if len(pairs) < 3 or not (pairs.std(axis=0) > 0).all():
        return math.nan
    return float(np.corrcoef(pairs.T)[0, 1])


def _at(results: list[dict[str, Any]], noise_variance: float) -> list[dict[str, Any]]:
    return [
        {**one, "error": result["error"]}
        for result in results
        for one in result["information"]
        if one["noise_variance"] == noise_variance
    ]


def picture(table: Table) -> bytes:
    """Bounds of I(z;x), bounds of I(z;y), and the error, a place a regularizer."""
    return pictures.drawn(lambda plt: _draw(plt, table))


def _draw(plt: Any, table: Table) -> Any:
    figure, axes = plt.subplots(3, 1, figsize=(9, 9), layout="constrained", sharex=True)
    names = [row["regularizer"] for row in table.rows]
    places = range(len(names))
    for axis, information in zip(axes, ("zx", "zy"), strict=False):
        lower, upper = ([row[f"{information}_{side}_mean"] for row in table.rows] for side in ("lower", "upper"))
        axis.vlines(places, lower, upper, color="0.6", linewidth=6, zorder=0)
        for side, values, marker in (("upper bound", upper, "v"), ("lower bound", lower, "^")):
            deviations = [row[f"{information}_{side[:5]}_std"] for row in table.rows]
            axis.errorbar(places, values, yerr=deviations, fmt=marker, capsize=2, label=side)
        if information == "zy":
            for side in ("lower", "upper"):
                conventional = [row[f"zy_{side}_conventional_mean"] for row in table.rows]
                axis.plot(places, conventional, "_k", markersize=14, label=f"{side}, conventional")
        axis.set_ylabel(f"I(z;{information[1]}) (nats)")
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[2].errorbar(
        places, [row["error_mean"] for row in table.rows], yerr=[row["error_std"] for row in table.rows],
        fmt="o", color="black", capsize=2,
    )  # fmt: skip
    axes[2].set_ylabel("error (%)")
    axes[2].set_xticks(places, names)
    return figure
