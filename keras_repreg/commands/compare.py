"""`keras-repreg compare`: the similarity of the layers of two networks on the same data."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_repreg.commands import memory, options
from keras_repreg.commands.archive import check_archive
from keras_repreg.commands.csv_file import csv_text
from keras_repreg.commands.outputs import Terminal, check_outputs, write
from keras_repreg.commands.progress import Progress
from keras_repreg.commands.quiet import quiet
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable, shortened

HELP = "compare the layers of two networks by CKA, CCA or Procrustes distance"
DESCRIPTION = """\
Print how similar the layers of two networks are on the same data, with one row per layer of the first network and one
column per layer of the second.
"""
EPILOG = f"""\
examples:
  keras-repreg compare before.keras after.keras --data test.npz
  keras-repreg compare small.keras large.keras --data images/ --measure cca --layers a,b --layers-b c,d

{options.DATA}
{options.SAFETY}
{options.CODES}"""
# The maximum length of the name of a layer above a column.
WIDEST = 16
BATCH_SIZE = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("model", type=options.path, metavar="A.keras", help="a model saved by `model.save`")
    parser.add_argument("other", type=options.path, metavar="B.keras", help="another model with the same inputs")
    options.add_data(parser)
    parser.add_argument(
        "--layers", type=options.names, metavar="A,B", help="names of layers (default: all hidden layers)"
    )
    parser.add_argument(
        "--layers-b", type=options.names, metavar="A,B", help="layers of the second model (default: the same names)"
    )
    parser.add_argument("--measure", choices=("cka", "cca", "procrustes"), default="cka", help="(default: cka)")
    options.add_output(parser)


def run(arguments: argparse.Namespace) -> bool:
    """Compare, print and write; return whether all printed output was read.

    Raises:
        Refusal: if the arguments, the models or the data are invalid.
    """
    outputs = [arguments.csv] if arguments.csv is not None else []
    check_outputs(outputs, [arguments.model, arguments.other, Path(arguments.data)], arguments.overwrite)
    terminal, progress = Terminal(arguments.quiet), Progress(arguments.quiet)
    for path in (arguments.model, arguments.other):
        check_archive(path)
    with quiet():
        from keras_repreg.commands.data.opening import open_source

        source = open_source(arguments.data)
        progress.say("loading the models")
        from keras_repreg.commands.data.inputs import ModelInputs
        from keras_repreg.commands.layout import table_lines, terminal_width
        from keras_repreg.commands.model import ModelFile, packed
        from keras_repreg.commands.selection import chosen_layers
        from keras_repreg.similarity import compare

    try:
        files = [ModelFile(arguments.model), ModelFile(arguments.other)]
        names = [arguments.layers, arguments.layers_b or arguments.layers]
        with memory.limited():
            shapes = [file.load() if file.shapes is None else file.shapes for file in files]
            for shape, wanted in zip(shapes, names, strict=True):
                chosen_layers(shape, wanted)
            needed = [source.fit(ModelInputs.of(shape)) for shape in reversed(shapes)][-1]
            needed += sum(file.weight_bytes for file in files)
            memory.check(needed, f"the weights and {source.name}", share=arguments.memory_share)
            first, second = (file.load() for file in files)
            data = source.read(labels=False, divide_by=arguments.divide_by)
            size = arguments.batch_size or BATCH_SIZE
            progress.expect(batch=-(-data.samples // size))

            def batches() -> Iterator[tuple[Any, None]]:
                for x, _ in data.batches(size):
                    yield packed(first, x), None
                    progress.step("batch", data.name)

            try:
                table = compare(
                    first, second, batches(), names[0], layers_b=names[1], measure=arguments.measure, batch_size=size
                )
            except (TypeError, ValueError) as error:
                raise Refusal(error) from error
            except Exception as error:  # a layer that the data does not fit
                raise Refusal(f"a model fails on {data.name}: {' '.join(str(error).split())[:300]}") from error
    finally:
        progress.end()
    columns = list(next(iter(table.values())))
    if arguments.json:
        content = {
            "models": [str(arguments.model), str(arguments.other)], "data": data.name, "samples": data.samples,
            "measure": arguments.measure, "layers": {name: dict(row) for name, row in table.items()},
        }  # fmt: skip
        terminal.print(json.dumps(content, indent=1))
    else:
        models = f"{arguments.model} (rows) and {arguments.other} (columns)"
        terminal.print(printable(f"{arguments.measure} of {models}, {data.samples:,} samples of {data.name}"))
        rows = [[name, *(f"{value:.3f}" for value in row.values())] for name, row in table.items()]
        header = ["layer", *(shortened(printable(name), WIDEST) for name in columns)]
        terminal.print("\n".join(table_lines(header, rows, None if arguments.wide else terminal_width())))
    if arguments.csv is not None:
        write(arguments.csv, csv_text(table, columns), arguments.overwrite)
        if not arguments.json:
            terminal.print(f"wrote {printable(arguments.csv)}")
    return not terminal.closed
