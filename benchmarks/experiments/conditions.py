"""Tables 4, 8 and 9: the twelve regularizers under several conditions, each with loss weights of its own.

Appendix D.1: networks with every loss weight of the grid; of these the weight of least validation error, for each
regularizer and condition; with it the networks whose test error is shown.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import command
from benchmarks.experiments.experiment import Experiment, seeds
from benchmarks.sweeps import records
from benchmarks.sweeps.search import grid_runs, results_of, search_rows
from benchmarks.sweeps.sweep import Train
from benchmarks.tables import pictures
from benchmarks.tables.aggregate import as_csv, summary
from benchmarks.tables.table import Paper, Table
from keras_repreg.regularizer_set import GRID, REGULARIZERS

# A smoke run proves each condition and each kind of regularizer, not each of the twelve.
SMOKE_REGULARIZERS = ("Baseline", "L2W", "BN", "cw-CR")
SEARCH_COLUMNS = ("condition", "regularizer", "weight", "trials", "validation_error_mean", "validation_error_std")

# Loss weight by condition and regularizer.
Weights = Mapping[tuple[str, str], float]


@dataclass(frozen=True, kw_only=True)
class Conditions(Experiment):
    """One of the tables.

    Attributes:
        base: What all runs share, a frozen dataclass with the fields `regularizer`, `weight` and `seed`.
        conditions: Fields of a run, by the name of the column.
        train: The result of a run.
        paper: The paper's means.
        smoke: Fields of a smoke run.
    """

    base: Any
    conditions: Mapping[str, Mapping[str, Any]]
    train: Train
    paper: Paper
    smoke: Mapping[str, Any] | None = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        command.add_sweep_arguments(parser, epochs=None)
        names = list(self.conditions)
        parser.add_argument("--conditions", nargs="+", choices=names, help="the columns (default: all that can be run)")
        parser.add_argument(
            "--grid", nargs="+", type=float, choices=GRID, default=list(GRID), help="loss weights (default: D.1's)"
        )
        parser.add_argument(
            "--search-trials", type=command.positive, default=1, help="networks per weight tried (default %(default)s)"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        return self.run_conditions(arguments, arguments.conditions or list(self.conditions))

    def run_conditions(self, arguments: argparse.Namespace, names: list[str], **shared: Any) -> int:
        """Search the loss weights, train with them, print, and write the table; `shared` changes all runs."""
        bases = {name: self.base_of(arguments, name, shared) for name in names}
        regularizers = SMOKE_REGULARIZERS if arguments.smoke else tuple(REGULARIZERS)
        grid = arguments.grid[:1] if arguments.smoke else arguments.grid
        search: dict[str, Any] = {"names": regularizers, "grid": grid}
        table_name = self.heading.split(":")[0]
        tried = dict.fromkeys(
            run for base in bases.values() for run in grid_runs(base, arguments.search_trials, **search)
        )
        searched = command.trained(arguments, list(tried), self.train, f"{table_name}, loss weights")
        rows = [
            {"condition": condition, **row}
            for condition, base in bases.items()
            for row in search_rows(searched, base, arguments.search_trials, **search)
        ]
        chosen = {(row["condition"], row["regularizer"]): row["weight"] for row in rows if row["chosen"] == "yes"}
        final = {name: self.final(base) for name, base in bases.items()}
        runs = dict.fromkeys(
            replace(base, regularizer=name, weight=chosen.get((condition, name), 0.0), seed=seed)
            for condition, base in final.items()
            for name in regularizers
            if (condition, name) in chosen or not REGULARIZERS[name].weights
            for seed in seeds(arguments)
        )
        found = command.trained(arguments, list(runs), self.train, table_name)
        self.write_search(arguments, rows, searched)
        table = table_of(self, found, final, chosen, regularizers)
        dataset = next(iter(bases.values())).dataset
        # Runs of the search that failed are reported as well.
        both = {json.dumps(record["config"], sort_keys=True): record for record in [*searched, *found]}
        return command.publish(
            arguments,
            self.name,
            list(both.values()),
            table,
            pictures.against_paper(table),
            heading=self.heading if dataset == self.base.dataset else f"{self.heading} ({dataset})",
            claim=self.claim,
            setting=f"{dataset}; "
            f"{'; '.join(self.in_words(name, base) for name, base in bases.items())}; {arguments.trials} network(s) "
            f"for each regularizer and condition, its loss weight of {', '.join(f'{weight:g}' for weight in grid)} by "
            f"{arguments.search_trials} for each",
            deviations=True,
        )

    def final(self, run: Any) -> Any:
        """Return what a run becomes once its loss weight is fixed."""
        return run

    def base_of(self, arguments: argparse.Namespace, condition: str, shared: Mapping[str, Any]) -> Any:
        """Return what the runs of a condition share."""
        fields = {**self.conditions[condition], **shared}
        if arguments.epochs is not None:
            fields["epochs"] = arguments.epochs
        if arguments.smoke:
            smoke = dict(self.smoke or {"epochs": 1, "samples": command.SMOKE_SAMPLES})
            smoke["samples"] = min(fields.get("samples") or smoke["samples"], smoke["samples"])
            fields |= smoke
        return replace(self.base, **fields)

    def in_words(self, condition: str, base: Any) -> str:
        """Return what is trained under a condition."""
        texts = [f"{base.samples or 'all'} training images", f"{base.epochs} epochs"]
        for key, value in self.conditions[condition].items():
            texts += [f"{key} {value}"] if key not in ("samples", "epochs") else []
        return f"{condition}: {', '.join(texts)}"

    def write_search(
        self, arguments: argparse.Namespace, rows: list[dict[str, Any]], searched: list[dict[str, Any]]
    ) -> None:
        """Write the validation error of each weight that was tried, and whether it is the best of its regularizer."""
        some = [{column: row[column] for column in (*SEARCH_COLUMNS, "best")} for row in rows if row["trials"]]
        if some:
            place = command.folder(arguments) / f"{self.name}_weights.csv"
            command.write(place, as_csv(some, records.provenance(searched)))


def table_of(
    experiment: Conditions,
    found: list[dict[str, Any]],
    bases: Mapping[str, Any],
    chosen: Weights,
    regularizers: tuple[str, ...] = tuple(REGULARIZERS),
) -> Table:
    """Return a row for each regularizer, with test error, training error and chosen weight in each condition."""
    rows = []
    for name in regularizers:
        row: dict[str, Any] = {"regularizer": name, "trials": 0}
        for condition, base in bases.items():
            weight = chosen.get((condition, name), 0.0)
            error = summary(results_of(found, base, name, weight), ("error", "train_error"))
            row[f"{condition}_mean"], row[f"{condition}_std"] = error["error_mean"], error["error_std"]
            row[f"{condition}_train_error"] = error["train_error_mean"]
            row[f"{condition}_weight"], row[f"{condition}_trials"] = weight, error["trials"]
            row["trials"] = max(row["trials"], error["trials"])
        rows.append(row)
    return Table(rows, list(bases), experiment.paper, competition=True)
