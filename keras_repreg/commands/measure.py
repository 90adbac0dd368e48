"""`keras-repreg measure`: the characteristics of a model's layers, as a table, a file and a report."""

import argparse
import importlib
from pathlib import Path

from keras_repreg.commands.quiet import quiet
from keras_repreg.commands.refusal import Refusal


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write.

    Raises:
        Refusal: if anything about the arguments, the model or the data is wrong.
    """
    outputs = [path for path in (arguments.report, arguments.csv) if path is not None]
    for path in outputs:
        _check_output(path, arguments.overwrite)
        if path.resolve() in (arguments.model.resolve(), Path(arguments.data).resolve()):
            raise Refusal(f"{path} is what is measured; write elsewhere")
    if len({path.resolve() for path in outputs}) != len(outputs):
        raise Refusal(f"--report and --csv are the same file, {arguments.csv}")
    if arguments.report is not None:
        _check_pictures()
    # After the checks that cost nothing: this imports Keras and its backend, and what these have to tell.
    with quiet():
        from keras_repreg.commands.data import load_data
        from keras_repreg.commands.measurement import measure
        from keras_repreg.commands.model import load_model

    model = load_model(arguments.model)
    data = load_data(arguments.data, model, arguments.divide_by)
    measurement = measure(model, data, arguments)
    print(f"{model.name} ({arguments.model}), {len(data.x):,} samples of {data.name}")
    print(measurement.table)
    if arguments.csv is not None:
        _write(arguments.csv, measurement.table.to_csv, arguments.overwrite)
    if arguments.report is not None:
        from keras_repreg.commands.report import write_report

        def write(path: Path, *, overwrite: bool) -> None:
            try:
                write_report(path, model, data, measurement, arguments, overwrite=overwrite)
            except ValueError as error:  # what only the pictures and the mutual information ask of the numbers
                raise Refusal(str(error).splitlines()[0]) from None

        _write(arguments.report, write, arguments.overwrite)


def _check_output(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise Refusal(f"{path} is a directory, a file to write is expected")
    if path.exists() and not overwrite:
        raise Refusal(f"{path} exists; --overwrite replaces it")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path} cannot be written: there is no directory {path.absolute().parent}")


def _check_pictures() -> None:
    try:
        with quiet():
            plots = importlib.import_module("keras_repreg.plots.canvas")
        plots.matplotlib()
    except ImportError as error:
        raise Refusal(error) from error


def _write(path: Path, write: object, overwrite: bool) -> None:
    try:
        write(path, overwrite=overwrite)  # type: ignore[operator]
    except FileExistsError as error:
        raise Refusal(f"{path} exists; --overwrite replaces it") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error
    print(f"wrote {path}")
