"""What a table or figure of the paper is declared with, and how it is made."""

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
        name: Of the command and of the files, such as `table2`.
        place: Where in the paper.
        title: What it shows.
        claim: What the paper says about it.
    """

    name: str
    place: str
    title: str
    claim: str

    @property
    def heading(self) -> str:
        """The name in words, and the title."""
        return f"{self.name[:-1].capitalize()} {self.name[-1]}: {self.title}"

    @abc.abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command line's arguments."""

    @abc.abstractmethod
    def run(self, arguments: argparse.Namespace) -> int:
        """Train, print, and write the table or figure; return the exit status."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Experiment):
    """A table or figure that is made from one sweep.

    Attributes:
        epochs: Of training, unless the command line says otherwise.
        runs: The configurations, from the command line's arguments.
        train: The result of a run.
        table: The table, from the records.
        setting: How it was made, in words, from the first run and the number of networks.
        picture: The picture, from the table and the records.
        further: Further tables from the same records: name, heading, table.
        extra_arguments: Adds arguments that are this experiment's own.
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
    """Return the seeds of the networks of each kind: 1, 2, ..."""
    return range(1, arguments.trials + 1)
