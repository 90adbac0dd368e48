"""Figure 4: values and bounds of I(z;x) and I(z;y) under the twelve regularizers, and the generalization error.

The networks are those of Table 6. The paper does not give the noise variance of its bounds, so several are computed.
The figure shows a variance of 1; with less noise, many networks are saturated, because all samples are distinguishable.
The correlation with the error is given for each variance, and for noise relative to the standard deviation of each
unit, which removes the scale that an identical output network can change arbitrarily (Theorem 2).
"""

import argparse
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from benchmarks import command, paper
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.sweeps import search
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.correlation import array, bootstrap, pearson, spearman
from benchmarks.tables.table import Table
from benchmarks.training.mnist import MnistRun, representation, trained
from keras_repreg.regularizer_set import REGULARIZERS

EPOCHS = 50
NOISE_VARIANCES = (0.001, 0.01, 0.1, 1.0, 10.0)
# Standard deviation of the noise relative to that of each unit.
RELATIVE_NOISE = (0.1, 0.3, 1.0, 3.0, 10.0)
SHOWN = 1.0
BOUNDS = ("zx_lower", "zx_upper", "zy_lower", "zy_upper")
VALUES = ("zx", "zy")
# Quantities correlated with the error. I(z;y) is left out because it may be the same for all regularizers.
OF_INPUT = {"zx": "value", "zx_lower": "lower bound", "zx_upper": "upper bound"}
OF_LEVELS = ("error", *OF_INPUT)
# Differences of bounds, as in the authors' figure. They are not bounds.
CONVENTIONAL = ("zy_lower_conventional", "zy_upper_conventional")
COLUMNS = ("error", *VALUES, *BOUNDS, *CONVENTIONAL)


@dataclass(frozen=True)
class InformationRun(MnistRun):
    """A network of Table 6 whose mutual information is measured, in nats, on the test images."""

    noise_variances: tuple[float, ...] = NOISE_VARIANCES
    relative_noise: tuple[float, ...] = RELATIVE_NOISE
    experiment: str = "figure4"


def train(run: InformationRun) -> dict[str, Any]:
    """Train, and measure the mutual information for each noise level."""
    from benchmarks.data import load

    model, result = trained(run)
    if model is None:
        return result
    # The cost grows with the square of the number of samples.
    test = load(run.dataset).test.first(run.samples)
    return {**result, **information(run, representation(model, test.x), test.y)}


def information(run: InformationRun, z: Any, y: Any) -> dict[str, Any]:
    """Return the mutual information for noise of equal variance in all units, and for noise relative to each unit."""
    from keras_repreg.information import noise_sweep

    # Dividing a unit and its noise by the same number does not change the information. Dead units carry none.
    relative = z[:, z.std(axis=0) > 0]
    relative = relative / relative.std(axis=0) if relative.size else z
    return {
        "information": [dataclasses.asdict(one) for one in noise_sweep(z, y, run.noise_variances)],
        "relative_information": [
            {**dataclasses.asdict(one), "relative_noise": noise}
            for noise, one in zip(
                run.relative_noise, noise_sweep(relative, y, [noise**2 for noise in run.relative_noise]), strict=True
            )
        ],
    }


def choices() -> dict[str, dict[str, float]]:
    """Return two choices of loss weights: those nearest to the paper's rows, and those of least validation error."""
    return {"nearest": search.kept_weights(), "validation": search.validated_weights()}


def runs_of(arguments: argparse.Namespace) -> list[InformationRun]:
    """Return the runs for both choices of loss weights, without duplicates."""
    base = InformationRun("Baseline", 0.0, 1, **command.epochs_and_samples(arguments))
    every = [run for weights in choices().values() for run in search.runs_with(base, weights, seeds(arguments))]
    return list(dict.fromkeys(every))


def further_tables(found: Records) -> list[tuple[str, str, Table]]:
    """Return the additional tables, with name and heading."""
    of_bounds = "Correlation of I(z;x) with the error, over networks"
    of_values = "Correlation of I(z;x) with the error, and 95% intervals over the regularizers"
    return [
        ("figure4_correlations", of_bounds, correlations(found)),
        ("figure4_intervals", of_values, intervals(found)),
        ("figure4_levels", "I(z;x) and the error at every noise variance", levels(found)),
    ]


def bounds(found: Records, noise: float, *, relative: bool = False, weights: str = "nearest") -> Table:
    """Return a row for each regularizer, for one noise variance or relative noise."""
    records = search.records_with(found, choices()[weights])
    rows = [
        {"regularizer": name, **summary(_at(finished_of(records, regularizer=name), noise, relative), COLUMNS)}
        for name in REGULARIZERS
    ]
    return Table(rows, COLUMNS)


def levels(found: Records) -> Table:
    """Return a row for each choice of weights, noise variance and regularizer."""
    rows = [
        {"regularizer": row["regularizer"], "weights": weights, "noise_variance": noise}
        | {key: row[key] for key in ("trials", *(f"{name}_{end}" for name in OF_LEVELS for end in ("mean", "std")))}
        for weights in choices()
        for noise in NOISE_VARIANCES
        for row in bounds(found, noise, weights=weights).rows
    ]
    return Table(rows, OF_LEVELS, shown=("weights", "noise_variance"))


def correlations(found: Records) -> Table:
    """Return Pearson's correlation of I(z;x) and its bounds with the error, a row for each noise variance."""
    rows = []
    for noise_variance in NOISE_VARIANCES:
        means = [row for row in bounds(found, noise_variance).rows if row["trials"]]
        row: dict[str, Any] = {"noise_variance": f"{noise_variance:g}", "trials": len(means)}
        for column in OF_INPUT:
            pairs = [[one[f"{column}_mean"], one["error_mean"]] for one in means]
            row[f"{column}_mean"] = float(pearson(array(pairs)))
            row[f"{column}_std"] = 0.0
        rows.append(row)
    printed = {"zx_lower": paper.figure4()["lower_bound"], "zx_upper": paper.figure4()["upper_bound"]}
    paper_rows = {f"{variance:g}": printed for variance in NOISE_VARIANCES}
    return Table(rows, tuple(OF_INPUT), paper_rows, label="noise_variance")


def intervals(found: Records) -> Table:
    """Return correlations of I(z;x) with the error and their intervals, a row for each noise level.

    Pearson's and Spearman's correlation are over regularizers, with means over networks. Their 95% intervals come from
    the percentile bootstrap over regularizers. `same_regularizer` is Pearson's correlation of single networks, of the
    differences from the mean of their regularizer. The first rows are for the value with the weights nearest to the
    paper's; then follow both bounds, and all three with the weights of least validation error.
    """
    rows = []
    for weights in choices():
        for column, words in OF_INPUT.items():
            prefix = "" if (weights, column) == ("nearest", "zx") else f"{words}, {weights} weights, "
            rows += [_interval(found, noise, False, weights, column, f"{prefix}variance {noise:g}")
                     for noise in NOISE_VARIANCES]  # fmt: skip
            if not prefix:
                rows += [_interval(found, noise, True, weights, column, f"{noise:g} of each unit's deviation")
                         for noise in RELATIVE_NOISE]  # fmt: skip
    of_kinds = [f"{kind}{end}" for kind in ("pearson", "spearman") for end in ("", "_low", "_high")]
    return Table(rows, (*of_kinds, "same_regularizer"), label="noise")


def _interval(found: Records, noise: float, relative: bool, weights: str, column: str, name: str) -> dict[str, Any]:
    means = [row for row in bounds(found, noise, relative=relative, weights=weights).rows if row["trials"]]
    pairs = array([(row[f"{column}_mean"], row["error_mean"]) for row in means])
    records = search.records_with(found, choices()[weights])
    within = [
        (one[column] - row[f"{column}_mean"], one["error"] - row["error_mean"])
        for row in means
        for one in _at(finished_of(records, regularizer=row["regularizer"]), noise, relative)
    ]
    row: dict[str, Any] = {"noise": name, "trials": len(means)}
    for kind, statistic in {"pearson": pearson, "spearman": spearman}.items():
        row[f"{kind}_mean"], row[f"{kind}_std"] = float(statistic(pairs)), 0.0
        row[f"{kind}_low_mean"], row[f"{kind}_high_mean"] = bootstrap(pairs, statistic)
        row[f"{kind}_low_std"] = row[f"{kind}_high_std"] = 0.0
    row["same_regularizer_mean"], row["same_regularizer_std"] = float(pearson(array(within))), 0.0
    return row


def _at(results: list[dict[str, Any]], noise: float, relative: bool = False) -> list[dict[str, Any]]:
    key, name = ("relative_information", "relative_noise") if relative else ("information", "noise_variance")
    return [{**one, "error": result["error"]} for result in results for one in result[key] if one[name] == noise]


def picture(table: Table) -> bytes:
    """Draw I(z;x) and I(z;y) with their bounds, and the error, for each regularizer."""
    return pictures.drawn(lambda plt: _draw(plt, table))


def _draw(plt: Any, table: Table) -> Any:
    figure, axes = plt.subplots(3, 1, figsize=(9, 9), layout="constrained", sharex=True)
    names = [row["regularizer"] for row in table.rows]
    places = range(len(names))
    for axis, information in zip(axes, ("zx", "zy"), strict=False):
        lower, upper = ([row[f"{information}_{side}_mean"] for row in table.rows] for side in ("lower", "upper"))
        axis.vlines(places, lower, upper, color="0.8", linewidth=6, zorder=0)
        values, deviations = ([row[f"{information}_{end}"] for row in table.rows] for end in ("mean", "std"))
        axis.errorbar(places, values, yerr=deviations, fmt="ok", capsize=2, label="value")
        for side, values, marker in (("upper bound", upper, "v"), ("lower bound", lower, "^")):
            deviations = [row[f"{information}_{side[:5]}_std"] for row in table.rows]
            axis.errorbar(places, values, yerr=deviations, fmt=marker, capsize=2, label=side)
        if information == "zy":
            for side, caret in (("upper", 7), ("lower", 6)):  # down, up
                conventional = [row[f"zy_{side}_conventional_mean"] for row in table.rows]
                axis.plot(
                    places, conventional, color="tab:red", marker=caret, markersize=8, markerfacecolor="none",
                    linestyle="none", label=f"{side}, conventional",
                )  # fmt: skip
        axis.set_ylabel(f"I(z;{information[1]}) (nats)")
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[2].errorbar(
        places, [row["error_mean"] for row in table.rows], yerr=[row["error_std"] for row in table.rows],
        fmt="o", color="black", capsize=2,
    )  # fmt: skip
    axes[2].set_ylabel("error (%)")
    axes[2].set_xticks(places, names)
    return figure


EXPERIMENT = Sweep(
    name="figure4",
    place="Section 5",
    title="mutual information and generalization error",
    claim="All regularizers end up with almost the same I(z;y), while I(z;x) depends on the regularizer, and its "
    "bounds go along with the generalization error: the correlations are 0.84 for the lower and 0.78 for the upper "
    "bound.",
    epochs=EPOCHS,
    runs=runs_of,
    train=train,
    table=lambda found: bounds(found, SHOWN),
    picture=lambda table, _: picture(table),
    setting=lambda run, trials: (
        f"MNIST, {run.samples or 'all'} training images, {run.epochs} epochs, {trials} "
        f"network(s) each; nats, 10,000 test images (log N = {math.log(10_000):.2f}), noise variance {SHOWN:g}"
    ),
    further=further_tables,
)
