"""Declaration of a table or figure of the paper, and how it is made."""

import abc
import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import command
from benchmarks.sweeps.sweep import Train
from benchmarks.tables import pictures
from benchmarks.tables.table import Table

Records = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Experiment(abc.ABC):
    """A table or figure of the paper.

    Attributes:
        name: Name of the command and the files, such as `table2`.
        place: Section of the paper.
        title: What it shows.
        claim: What the paper says about it.
    """

    name: str
    place: str
    title: str
    claim: str

    @property
    def heading(self) -> str:
        """Name and title, such as "Table 2: characteristics of linear and ReLU layers"."""
        return f"{self.name[:-1].capitalize()} {self.name[-1]}: {self.title}"

    @abc.abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    @abc.abstractmethod
    def run(self, arguments: argparse.Namespace) -> int:
        """Train, print and write the table or figure, and return the exit status."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Experiment):
    """A table or figure made from one sweep.

    Attributes:
        epochs: Default number of training epochs.
        runs: Returns the configurations for the parsed arguments.
        train: Returns the result of a run.
        table: Returns the table for the records.
        setting: Returns how it was made as text, for the first run and the number of networks.
        picture: Returns the picture for the table and the records.
        further: Returns additional tables from the same records: name, heading, table.
        extra_arguments: Adds arguments that only this experiment has.
    """

    epochs: int
    runs: Callable[[argparse.Namespace], Sequence[Any]]
    train: Train
    table: Callable[[Records], Table]
    setting: Callable[[Any, int], str]
    picture: Callable[[Table, Records], bytes] = lambda table, _: pictures.against_paper(table)
    further: Callable[[Records], Iterable[tuple[str, str, Table]]] = lambda _: ()
    extra_arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        command.add_sweep_arguments(parser, epochs=self.epochs)
        self.extra_arguments(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        runs = self.runs(arguments)
        found = command.trained(arguments, runs, self.train, self.heading)
        table = self.table(found)
        status = command.publish(
            arguments,
            self.name,
            found,
            table,
            self.picture(table, found),
            heading=self.heading,
            claim=self.claim,
            setting=self.setting(runs[0], arguments.trials),
        )
        for name, heading, other in self.further(found):
            command.add(arguments, name, found, other, heading)
        return status


def seeds(arguments: argparse.Namespace) -> range:
    """Return the seeds of the networks per setting: 1, 2, ..."""
    return range(1, arguments.trials + 1)
