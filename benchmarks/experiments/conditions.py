"""Tables 4, 8 and 9: the twelve regularizers under several conditions, the loss weight chosen anew for each.

Appendix D.1: networks with every loss weight of the grid; of these the weight of least validation error, for each
regularizer and condition; with it the networks whose test error is shown.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks import command
from benchmarks.sweeps.sweep import Train
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import as_csv, finished_of, summary
from benchmarks.tables.table import Paper, Table
from keras_repreg.regularizer_set import GRID, REGULARIZERS

# A smoke run proves each condition and each kind of regularizer, not each of the twelve.
SMOKE_REGULARIZERS = ("Baseline", "L2W", "BN", "cw-CR")

# Loss weight by condition and regularizer.
Weights = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Experiment:
    """One of the tables.

    Attributes:
        name: Of the command and the files.
        heading: What it is.
        claim: What the paper says about it.
        run: What all runs share, a frozen dataclass with the fields `regularizer`, `weight` and `seed`.
        conditions: Fields of a run, by the name of the column.
        train: A run's result.
        paper: The paper's means.
        final: What is changed of a run once the loss weight is fixed.
        smoke: Fields of a run that only has to run.
    """

    name: str
    heading: str
    claim: str
    run: Any
    conditions: Mapping[str, Mapping[str, Any]]
    train: Train
    paper: Paper
    final: Callable[[Any], Any] = lambda run: run
    smoke: Mapping[str, Any] | None = None


def add_arguments(parser: argparse.ArgumentParser, experiment: Experiment) -> None:
    """The command line's."""
    command.add_sweep_arguments(parser, epochs=None)
    names = list(experiment.conditions)
    parser.add_argument("--conditions", nargs="+", choices=names, default=names, help="the columns (default: all)")
    parser.add_argument(
        "--grid", nargs="+", type=float, choices=GRID, default=list(GRID), help="loss weights tried (default: D.1's)"
    )
    parser.add_argument(
        "--search-trials", type=command.positive, default=1, help="networks per weight tried (default %(default)s)"
    )


def run(arguments: argparse.Namespace, experiment: Experiment, **shared: Any) -> int:
    """Search the loss weights, train with them, print, and write the table; `shared` changes all runs."""
    bases = {name: base_of(arguments, experiment, name, shared) for name in arguments.conditions}
    regularizers = SMOKE_REGULARIZERS if arguments.smoke else tuple(REGULARIZERS)
    grid = arguments.grid[:1] if arguments.smoke else arguments.grid
    tried = dict.fromkeys(
        replace(base, regularizer=name, weight=weight, seed=seed)
        for base in bases.values()
        for name in regularizers
        for weight in grid
        if REGULARIZERS[name].weights
        for seed in range(1, arguments.search_trials + 1)
    )
    title = experiment.heading.split(":")[0]
    searched = command.trained(arguments, list(tried), experiment.train, f"{title}, loss weights")
    rows = search_rows(searched, bases, regularizers, arguments.search_trials)
    chosen = {(row["condition"], row["regularizer"]): row["weight"] for row in rows if row["best"] == "yes"}
    final = {name: experiment.final(base) for name, base in bases.items()}
    runs = dict.fromkeys(
        replace(base, regularizer=name, weight=chosen.get((condition, name), 0.0), seed=seed)
        for condition, base in final.items()
        for name in regularizers
        if (condition, name) in chosen or not REGULARIZERS[name].weights
        for seed in range(1, arguments.trials + 1)
    )
    found = command.trained(arguments, list(runs), experiment.train, title)
    if rows:
        command.write(command.folder(arguments) / f"{experiment.name}_weights.csv", as_csv(rows))
    table = table_of(experiment, found, final, chosen, regularizers)
    dataset = next(iter(bases.values())).dataset
    heading = experiment.heading if dataset == experiment.run.dataset else f"{experiment.heading} ({dataset})"
    # A run of the search that failed is to be known of as well.
    both = {json.dumps(record["config"], sort_keys=True): record for record in [*searched, *found]}
    return command.publish(
        arguments,
        experiment.name,
        list(both.values()),
        table,
        pictures.against_paper(table),
        heading=heading,
        claim=experiment.claim,
        setting=f"{dataset}; "
        f"{'; '.join(in_words(experiment, name, base) for name, base in bases.items())}; {arguments.trials} network(s) "
        f"for each regularizer and condition, its loss weight of {', '.join(f'{weight:g}' for weight in grid)} by "
        f"{arguments.search_trials} for each",
        deviations=True,
    )


def base_of(arguments: argparse.Namespace, experiment: Experiment, condition: str, shared: Mapping[str, Any]) -> Any:
    """What the runs of a condition share."""
    fields = {**experiment.conditions[condition], **shared}
    if arguments.epochs is not None:
        fields["epochs"] = arguments.epochs
    if arguments.smoke:
        smoke = dict(experiment.smoke or {"epochs": 1, "samples": command.SMOKE_SAMPLES})
        smoke["samples"] = min(fields.get("samples") or smoke["samples"], smoke["samples"])
        fields |= smoke
    return replace(experiment.run, **fields)


def in_words(experiment: Experiment, condition: str, base: Any) -> str:
    """What is trained under a condition."""
    texts = [f"{base.samples or 'all'} training images", f"{base.epochs} epochs"]
    for key, value in experiment.conditions[condition].items():
        texts += [f"{key} {value}"] if key not in ("samples", "epochs") else []
    return f"{condition}: {', '.join(texts)}"


def search_rows(
    found: list[dict[str, Any]], bases: Mapping[str, Any], regularizers: tuple[str, ...], trials: int
) -> list[dict[str, Any]]:
    """A row for each loss weight tried: its validation error, and whether it is the best of its regularizer.

    One with which a network failed to train is not the best; where all did so, there is none.
    """
    rows: list[dict[str, Any]] = []
    for condition, base in bases.items():
        for name in regularizers:
            some: list[dict[str, Any]] = []
            for weight in REGULARIZERS[name].weights:
                results = finished_of(found, **_fields(replace(base, regularizer=name, weight=weight)))
                if results:
                    row = {"condition": condition, "regularizer": name, "weight": weight}
                    some.append(row | summary(results, ("validation_error",)))
            whole = [row for row in some if row["trials"] == trials]
            best = min(whole, key=lambda row: float(row["validation_error_mean"]), default=None)
            rows += [{**row, "best": "yes" if row is best else "no"} for row in some]
    return rows


def table_of(
    experiment: Experiment,
    found: list[dict[str, Any]],
    bases: Mapping[str, Any],
    chosen: Weights,
    regularizers: tuple[str, ...] = tuple(REGULARIZERS),
) -> Table:
    """A row for each regularizer, with test error, mean training error and chosen weight in each condition."""
    rows = []
    for name in regularizers:
        row: dict[str, Any] = {"regularizer": name, "trials": 0}
        for condition, base in bases.items():
            weight = chosen.get((condition, name), 0.0)
            results = finished_of(found, **_fields(replace(base, regularizer=name, weight=weight)))
            error = summary(results, ("error", "train_error"))
            row[f"{condition}_mean"], row[f"{condition}_std"] = error["error_mean"], error["error_std"]
            row[f"{condition}_train_error"] = error["train_error_mean"]
            row[f"{condition}_weight"], row[f"{condition}_trials"] = weight, error["trials"]
            row["trials"] = max(row["trials"], error["trials"])
        rows.append(row)
    return Table(rows, list(bases), experiment.paper, competition=True)


def _fields(run: Any) -> dict[str, Any]:
    """All but the seed, which differs."""
    return {key: value for key, value in asdict(run).items() if key != "seed"}
