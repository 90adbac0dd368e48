"""Figure 1: activations of single units of the fifth layer, by class, under five regularizers.

The networks are those of Table 6. The units shown are drawn at random from those that are not dead; a table checks the
paper's description of the pictures over all units.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Any

from benchmarks import command
from benchmarks.experiments.experiment import Records, Sweep, seeds
from benchmarks.sweeps import search
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import finished_of, summary
from benchmarks.tables.spikes import spiked
from benchmarks.tables.table import Table
from benchmarks.training.mnist import MnistRun, representation, trained

REGULARIZERS = ("Baseline", "Dropout", "BN", "CR", "L1R")
COLUMNS = ("within_class_variance", "class_wise_correlation", "classes_of_a_unit", "spread_when_active")
EPOCHS = 50


@dataclass(frozen=True)
class PicturedRun(MnistRun):
    """A network of Table 6; the test activations of `units` units are kept."""

    units: int = 2
    experiment: str = "figure1"


def train(run: PicturedRun) -> dict[str, Any]:
    """Train, describe all units, and keep the activations of some."""
    import numpy as np

    from benchmarks.data import load

    model, result = trained(run)
    if model is None:
        return result
    test = load(run.dataset).test
    z = representation(model, test.x).astype(np.float64)
    alive = np.flatnonzero((z > 0).any(axis=0))
    chosen = np.sort(np.random.default_rng(run.seed).choice(alive, min(run.units, len(alive)), replace=False))
    return {
        **result,
        **class_statistics(z, test.y),
        "units": chosen.tolist(),
        "activations": z[:, chosen].round(4).tolist(),
    }


def class_statistics(z: Any, y: Any) -> dict[str, float]:
    """Return statistics that test the paper's description of the pictures, over all units that are not dead.

    Returns:
        `within_class_variance`: the fraction of the variance within classes. `class_wise_correlation`: the correlation
        within a class as in Table 1, averaged over classes. `classes_of_a_unit`: the number of classes for which a unit
        is active on most samples, averaged over units. `spread_when_active`: standard deviation divided by mean of the
        positive activations, averaged over units and such classes.
    """
    import numpy as np

    from keras_repreg.characteristics import characterize

    z = z[:, (z > 0).any(axis=0)]
    classes = [z[y == k] for k in np.unique(y)]
    within = sum(len(of_class) * of_class.var(axis=0).sum() for of_class in classes) / len(z)
    correlations = [characterize(of_class)["correlation"] for of_class in classes]
    active = np.stack([(of_class > 0).mean(axis=0) > 0.5 for of_class in classes])
    spreads = []
    for of_class, units in zip(classes, active, strict=True):
        positive = np.where(of_class > 0, of_class, np.nan)[:, units]
        spreads += (np.nanstd(positive, axis=0) / np.nanmean(positive, axis=0)).tolist()
    return {
        "within_class_variance": float(within / z.var(axis=0).sum()),
        "class_wise_correlation": float(np.nanmean(correlations)),
        "classes_of_a_unit": float(active.sum(axis=0).mean()),
        "spread_when_active": float(np.mean(spreads)) if spreads else math.nan,
    }


def runs_of(arguments: argparse.Namespace) -> list[PicturedRun]:
    """Return the runs, with the loss weights kept in the repository."""
    base = PicturedRun("Baseline", 0.0, 1, **command.epochs_and_samples(arguments))
    return search.runs_with(base, search.kept_weights(), seeds(arguments), REGULARIZERS)


def table_of(found: Records) -> Table:
    """Return a row for each regularizer."""
    rows = [{"regularizer": name, **summary(finished_of(found, regularizer=name), COLUMNS)} for name in REGULARIZERS]
    return Table(rows, COLUMNS)


def picture(found: Records) -> bytes:
    """Draw one column per regularizer: the histogram of one unit above a scatter plot of two units."""
    return pictures.drawn(lambda plt: _draw(plt, found))


def _draw(plt: Any, found: Records) -> Any:
    import numpy as np

    from benchmarks.data import load
    from keras_repreg import plots

    y = load("mnist").test.y
    figure = plt.figure(figsize=(2 * len(REGULARIZERS), 4.6), layout="constrained")
    columns = figure.subfigures(1, len(REGULARIZERS))
    for column, name in zip(columns, REGULARIZERS, strict=True):
        column.suptitle(name, fontweight="bold")
        # A network that ended in a loss spike is shown only if all did.
        usual = [record for record in found if record not in spiked(found)]
        results = finished_of(usual, regularizer=name) or finished_of(found, regularizer=name)
        if not results:
            continue
        upper, lower = column.subfigures(2, 1)
        z, units = np.array(results[0]["activations"]), results[0]["units"]
        plots.unit_histograms(z, y, [0], figure=upper)
        for each in upper.legends:
            each.remove()
        named = upper.axes[0].get_title().replace("unit 0", f"unit {units[0]}")
        upper.axes[0].set_title(named, fontsize="medium")
        axis = lower.subplots()
        plots.unit_scatter(z, y, (0, len(units) - 1), ax=axis)
        # One legend for all panels.
        legend = axis.get_legend()
        names = [text.get_text() for text in legend.get_texts()]
        if not figure.legends:
            figure.legend(legend.legend_handles, names, loc="outside lower center", ncols=len(names), frameon=False)
        legend.remove()
        axis.set(xlabel=f"unit {units[0]}", ylabel=f"unit {units[-1]}")
    return figure


EXPERIMENT = Sweep(
    name="figure1",
    place="Section 2",
    title="activations of single units by class",
    claim="The baseline's units have a large class-wise variance, and classes overlap; BN and CR are similar. "
    "Dropout's are spread out over the active classes and correlate strongly within a class, those of BN and CR "
    "hardly. Under L1R a unit is typically active for one or two classes.",
    epochs=EPOCHS,
    runs=runs_of,
    train=train,
    table=table_of,
    picture=lambda _, found: picture(found),
    setting=lambda run, trials: (
        f"MNIST, {run.samples or 'all'} training images, {run.epochs} epochs, {trials} "
        "network(s) each, of which the first without a loss spike is pictured; 10,000 test images"
    ),
)
