"""`keras-repreg measure`: the characteristics of the layers of a model as a table, a file and a report."""

import argparse
import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_repreg.commands import memory, options
from keras_repreg.commands.archive import check_archive
from keras_repreg.commands.csv_file import csv_text
from keras_repreg.commands.outputs import Terminal, check_outputs, write
from keras_repreg.commands.progress import Progress
from keras_repreg.commands.quiet import quiet
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

if TYPE_CHECKING:
    from keras_repreg.characteristics import CharacteristicsTable
    from keras_repreg.commands.data.source import Data

HELP = "print the characteristics of the layers of a model, and write a report"
DESCRIPTION = """\
Print the characteristics of the layers of a model on a data set: amplitude, covariance, correlation, sparsity, dead
units and stable rank, as in Table 1 of Choi, Lee, Shin and Rhee (2018), or others by name.
"""
EPILOG = f"""\
examples:
  keras-repreg measure model.keras --data test.npz
  keras-repreg measure model.keras --data mnist --report report.html
  keras-repreg measure model.keras --data images/ --layers hidden,code --characteristics effective_rank,nc1
  keras-repreg measure model.keras --data test.csv --characteristics all --csv table.csv
  keras-repreg measure model.keras --data tfds:cifar10 --divide-by 255 --json

{options.DATA}
{options.SAFETY}
{options.CODES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("model", type=options.path, metavar="MODEL.keras", help="a model saved by `model.save`")
    options.add_data(parser)
    parser.add_argument(
        "--class-names", type=options.names, metavar="A,B", help="names of classes 0, 1 ... for the report"
    )
    options.add_layers(parser)
    parser.add_argument(
        "--characteristics",
        type=options.names,
        metavar="A,B",
        help="names, or all (default: the six of Table 1, and the class variances)",
    )
    parser.add_argument(
        "--chance",
        action="store_true",
        help="also print each value at chance: for independent units or shuffled labels with this number of samples",
    )
    parser.add_argument("--report", type=options.path, metavar="OUT.html", help="write a page with plots and findings")
    options.add_output(parser)
    parser.add_argument(
        "--noise-variance", type=options.positive, metavar="S2",
        help="variance of the noise in the report's mutual information (default: the mean variance of the layer)",
    )  # fmt: skip
    parser.add_argument(
        "--information-unit", dest="unit", choices=("nats", "bits"), default="nats",
        help="unit of mutual information (default: nats)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=options.count, default=2000, metavar="N",
        help="number of random samples for the plots and mutual information of the report (default: 2000)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> bool:
    """Measure, print and write; return whether all printed output was read.

    Checks come in this order: the arguments, file headers, the shapes of the model, a memory estimate, the data.

    Raises:
        Refusal: if the arguments, the model or the data are invalid.
    """
    outputs = [path for path in (arguments.report, arguments.csv) if path is not None]
    check_outputs(outputs, [arguments.model, Path(arguments.data)], arguments.overwrite)
    if arguments.report is not None:
        _check_pictures()
    terminal, progress = Terminal(arguments.quiet), Progress(arguments.quiet)
    check_archive(arguments.model)
    from keras_repreg.commands.data.opening import open_source

    source = open_source(arguments.data)
    progress.say("loading the model")
    # Imports Keras and its backend, which print messages.
    with quiet():
        from keras_repreg.commands.data.inputs import ModelInputs
        from keras_repreg.commands.model import ModelFile
        from keras_repreg.commands.planning import Plan, check_cost
        from keras_repreg.commands.selection import chosen_characteristics, chosen_layers

    try:
        file = ModelFile(arguments.model)
        chosen_characteristics(arguments.characteristics, labelled=True)
        with memory.limited():
            # Load a model that cannot be built without its weights first.
            model = file.load() if file.shapes is None else file.shapes
            layers = chosen_layers(model, arguments.layers)
            needed = source.fit(ModelInputs.of(model)) + file.weight_bytes
            plan = Plan(
                _measured(arguments, labelled=True),
                arguments.units,
                arguments.batch_size,
                0 if arguments.report is None else arguments.samples,
                arguments.memory_share,
                arguments.layers is None,
                arguments.chance,
            )
            memory.check(needed, f"the weights and {source.name}", share=arguments.memory_share)
            check_cost(model, layers, plan, needed)
            if file.shapes is not None:
                model = file.load()
                layers = chosen_layers(model, arguments.layers)
            data = source.read(labels=not arguments.no_labels, divide_by=arguments.divide_by)
            return _measure(arguments, model, layers, data, plan, terminal, progress)
    finally:
        progress.end()


def _measure(
    arguments: argparse.Namespace, model: Any, layers: list[Any], data: "Data", plan: Any, terminal: Terminal,
    progress: Progress,
) -> bool:  # fmt: skip
    from keras_repreg.characteristics import CharacteristicsTable
    from keras_repreg.characteristics.definitions import with_chance
    from keras_repreg.commands.classes import class_names
    from keras_repreg.commands.measurement import stream
    from keras_repreg.commands.selection import chosen_characteristics

    try:
        shown = chosen_characteristics(arguments.characteristics, labelled=data.classes is not None)
    except Refusal as refusal:
        raise Refusal("; ".join([str(refusal), *data.notes])) from refusal
    measured = _measured(arguments, labelled=data.classes is not None)
    plan = replace(plan, names=measured, classes=len(data.classes or ()))
    names = class_names(arguments.class_names, data)
    report = None
    if arguments.report is not None:
        from keras_repreg.commands.report import Report

        report = Report(arguments, data, names, shown, len(layers))
    columns = with_chance(shown) if arguments.chance else shown
    values, samples = {}, {}
    for layer in stream(model, data, layers, plan, progress):
        found = layer.accumulator.result()
        values[layer.name] = {name: found[name] for name in columns}
        samples[layer.name] = layer.accumulator.samples
        if report is not None:
            report.add(layer, found)
        del layer
    table = CharacteristicsTable(values, samples)
    for note in data.notes:  # only now, because a refusal must be a single line
        terminal.note(note)
    _print(arguments, model, data, table, terminal)
    if arguments.csv is not None:
        write(arguments.csv, csv_text(table, table.characteristics), arguments.overwrite)
    if report is not None:
        write(arguments.report, report.page(), arguments.overwrite)
    if not arguments.json:
        for path in (arguments.csv, arguments.report):
            if path is not None:
                terminal.print(f"wrote {printable(path)}")
    return not terminal.closed


def _measured(arguments: argparse.Namespace, *, labelled: bool) -> tuple[str, ...]:
    """Return the characteristics to print and, for a report, those that it lists."""
    from keras_repreg.commands.selection import chosen_characteristics, reported_characteristics

    shown = chosen_characteristics(arguments.characteristics, labelled=labelled)
    more = reported_characteristics(labelled=labelled) if arguments.report is not None else ()
    return tuple(dict.fromkeys([*shown, *more]))


def _print(
    arguments: argparse.Namespace, model: Any, data: "Data", table: "CharacteristicsTable", terminal: Terminal
) -> None:
    from keras_repreg.characteristics.table import shown
    from keras_repreg.commands.layout import table_lines, terminal_width

    if arguments.json:
        content = {
            "model": str(arguments.model), "name": model.name, "data": data.name, "samples": data.samples,
            "labelled": data.classes is not None, "notes": data.notes, "layers": table.to_dict(),
        }  # fmt: skip
        terminal.print(json.dumps(content, indent=1))
        return
    terminal.print(printable(f"{model.name} ({arguments.model}), {data.samples:,} samples of {data.name}"))
    rows = [[layer, *(shown(values[name]) for name in table.characteristics)] for layer, values in table.items()]
    width = None if arguments.wide else terminal_width()
    terminal.print("\n".join(table_lines(["layer", *table.characteristics], rows, width)))


def _check_pictures() -> None:
    try:
        with quiet():
            plots = importlib.import_module("keras_repreg.plots.canvas")
        plots.matplotlib()
    except ImportError as error:
        raise Refusal(error) from error
