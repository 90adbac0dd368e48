"""Figure 1: what five regularizers make of the fifth layer's representation, unit by unit and class by class.

The networks are those of Table 6; the units are drawn at random from those that are not dead. What the paper says of
the pictures is counted over all units beside them.
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
    """A network of Table 6 of which two units' test activations are kept."""

    units: int = 2
    experiment: str = "figure1"


def train(run: PicturedRun) -> dict[str, Any]:
    """Train, count over all units, and keep the activations of some."""
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
        **counted(z, test.y),
        "units": chosen.tolist(),
        "activations": z[:, chosen].round(4).tolist(),
    }


def counted(z: Any, y: Any) -> dict[str, float]:
    """What is said of the pictures, over all units that are not dead.

    Returns:
        The share of the variance that is within classes; the correlation within a class, mean over classes, as in
        Table 1; the number of classes of which a unit is active for most samples, mean over units; standard deviation
        over mean of the positive activations of a unit and such a class, mean over both.
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
    """Return the networks, with the kept loss weights."""
    chosen, shared = search.kept_weights(), command.epochs_and_samples(arguments)
    return [
        PicturedRun(name, chosen.get(name, 0.0), seed, **shared) for name in REGULARIZERS for seed in seeds(arguments)
    ]


def table_of(found: Records) -> Table:
    """Return a row for each regularizer."""
    rows = [{"regularizer": name, **summary(finished_of(found, regularizer=name), COLUMNS)} for name in REGULARIZERS]
    return Table(rows, COLUMNS)


def picture(found: Records) -> bytes:
    """A column a regularizer: above the histogram of a unit, below two units against each other."""
    return pictures.drawn(lambda plt: _draw(plt, found))


def _draw(plt: Any, found: Records) -> Any:
    import numpy as np

    from benchmarks.data import load
    from keras_repreg import plots

    y = load("mnist").test.y
    figure = plt.figure(figsize=(2.6 * len(REGULARIZERS), 5.2), layout="constrained")
    columns = figure.subfigures(1, len(REGULARIZERS))
    for column, name in zip(columns, REGULARIZERS, strict=True):
        column.suptitle(name, fontweight="bold")
        # A network that ended in a loss spike is pictured only if all did.
        usual = [record for record in found if record not in spiked(found)]
        results = finished_of(usual, regularizer=name) or finished_of(found, regularizer=name)
        if not results:
            continue
        upper, lower = column.subfigures(2, 1)
        z, units = np.array(results[0]["activations"]), results[0]["units"]
        plots.unit_histograms(z, y, [0], figure=upper)
        for legend in upper.legends:  # the lower panel has the same
            legend.remove()
        upper.axes[0].set_title(upper.axes[0].get_title().replace("unit 0", f"unit {units[0]}"))
        axis = lower.subplots()
        plots.unit_scatter(z, y, (0, len(units) - 1), ax=axis)
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
