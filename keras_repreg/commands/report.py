"""One page that holds everything: the table, pictures of each layer, and what stands out in it."""

import argparse
import base64
import html
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_repreg
from keras_repreg import plots
from keras_repreg.characteristics.definitions import CHARACTERISTICS
from keras_repreg.characteristics.table import shown
from keras_repreg.commands.data import Data
from keras_repreg.commands.findings import correlation_of, findings
from keras_repreg.commands.measurement import Measurement
from keras_repreg.files import write_atomically
from keras_repreg.information import MutualInformation, mutual_information
from keras_repreg.plots.canvas import axes_of

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 74rem; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1.2rem; border-top: 1px solid #d8dee4; }
h2 small, .about { color: #57606a; font-weight: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #e7ebef; white-space: nowrap; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid #b8c0c8; vertical-align: bottom; white-space: normal; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .85rem; color: #57606a; }
dt { font-weight: 600; } dd { margin: 0; }
.findings { background: #fff8e6; border-left: 4px solid #d99a00; padding: .6rem 1rem .6rem 2rem; margin: .8rem 0; }
.calm { background: #f2f7f2; border-left: 4px solid #6fa372; padding: .6rem 1rem; margin: .8rem 0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; } figure.wide { grid-column: 1 / -1; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption { font-size: .85rem; color: #57606a; text-align: center; }
details { margin: .8rem 0; } summary { cursor: pointer; color: #57606a; }
@media print { details { display: none; } }
"""


def write_report(
    path: Path, model: Any, data: Data, measurement: Measurement, arguments: argparse.Namespace, *, overwrite: bool
) -> None:
    """Write the page.

    Raises:
        FileExistsError: if the file is there already, unless `overwrite`.
    """
    labels = None if data.y is None else data.y[measurement.chosen]
    sections, information = [], {}
    for name, accumulator in measurement.accumulators.items():
        z = measurement.activations[name]
        told = _information(z, labels, arguments)
        information[name] = told
        rows, classes = _rows(z, labels, arguments.units)
        values = accumulator.result()
        found = findings(values, accumulator, told)
        pictures = _pictures(rows, classes, accumulator)
        size = f"{accumulator.width:,} units"
        if accumulator.samples != len(data.x):
            size += f", {accumulator.samples:,} positions of {len(data.x):,} samples"
        sections.append(_section(name, size, values, found, pictures, told))
    page = _page(model, data, measurement, arguments, information, "\n".join(sections))
    write_atomically(path, page, overwrite=overwrite)


def _information(z: NDArray[Any], labels: NDArray[Any] | None, arguments: argparse.Namespace) -> MutualInformation:
    classes = np.zeros(len(z), int) if labels is None else labels
    return mutual_information(z.reshape(len(z), -1), classes, arguments.noise_variance, arguments.unit)


def _rows(z: NDArray[Any], labels: NDArray[Any] | None, units: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """What is drawn: as many rows as there are samples; of positions that are samples a random choice."""
    if units == "flatten" or z.shape[1] == 1:
        return z.reshape(len(z), -1), labels
    chosen = np.sort(np.random.default_rng(0).choice(z.shape[0] * z.shape[1], len(z), replace=False))
    return z.reshape(-1, z.shape[2])[chosen], None if labels is None else np.repeat(labels, z.shape[1])[chosen]


def _pictures(z: NDArray[Any], labels: NDArray[Any] | None, accumulator: Any) -> list[str]:
    drawn = [("Single units", "wide", plots.unit_histograms(z, labels))]
    if z.shape[1] > 1:
        drawn.append(("Two units against each other", "", plots.unit_scatter(z, labels, units=None, ax=_axes())))
    spectrum = accumulator.spectrum()
    if spectrum.any():
        drawn.append(("Spectrum of the covariance", "", plots.spectrum(spectrum, ax=_axes())))
    if z.shape[1] > 1:
        matrix = plots.correlation_matrix(correlation_of(accumulator), ax=_axes())
        drawn.append(("Correlation of the units, all values", "", matrix))
    return [
        f'<figure class="{kind}"><img alt="{html.escape(title)}" src="data:image/png;base64,{_png(figure)}">'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
        for title, kind, figure in drawn
    ]


def _axes() -> Any:
    """Of a picture that stands beside two more."""
    return axes_of(None, 4.4, 3.6)


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()


def _section(
    name: str, size: str, values: dict[str, Any], found: list[str], pictures: list[str], told: MutualInformation
) -> str:
    if found:
        noticed = '<ul class="findings">' + "".join(f"<li>{html.escape(text)}</li>" for text in found) + "</ul>"
    else:
        noticed = '<p class="calm">Nothing stands out.</p>'
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th><td>{html.escape(shown(value))}</td>"
        f'<td style="text-align:left">{html.escape(CHARACTERISTICS[key].meaning)}</td></tr>'
        for key, value in values.items()
    )
    return (
        f'<section><h2 id="{html.escape(name, quote=True)}">{html.escape(name)} <small>{size}</small></h2>'
        f"{noticed}<p>{html.escape(str(told))}</p>"
        f'<div class="pictures">{"".join(pictures)}</div>'
        f"<details><summary>All characteristics</summary><table>{rows}</table></details></section>"
    )


def _page(
    model: Any,
    data: Data,
    measurement: Measurement,
    arguments: argparse.Namespace,
    information: dict[str, MutualInformation],
    sections: str,
) -> str:
    names = measurement.table.characteristics
    unit = arguments.unit
    columns = [*(name.replace("_", " ") for name in names), f"I(z;x), {unit}"]
    if data.y is not None:
        columns.append(f"I(z;y), {unit}")
    head = "".join(f"<th>{html.escape(column)}</th>" for column in ("layer", *columns))
    body = []
    for layer, values in measurement.table.items():
        told = information[layer]
        cells = [shown(values[name]) for name in names]
        cells.append(f"{told.zx_lower:.2f} to {told.zx_upper:.2f}")
        if data.y is not None:
            cells.append(f"{told.zy_lower:.2f} to {told.zy_upper:.2f}")
        link = f'<a href="#{html.escape(layer, quote=True)}">{html.escape(layer)}</a>'
        body.append(f"<tr><th>{link}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    meanings = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(CHARACTERISTICS[name].meaning)}</dd>"
        for name in names
    )
    title = f"Inside {model.name}"
    about = (
        f"{arguments.model.name}, {len(data.x):,} samples of {data.name}. Pictures and mutual information are of "
        f"{len(measurement.chosen):,} of them, chosen at random; mutual information is defined with Gaussian noise of "
        f"variance {arguments.noise_variance:g} and given as a lower and an upper bound."
    )
    made = f"keras-repreg {keras_repreg.__version__}, Keras {keras.__version__} on {keras.backend.backend()}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<h1>{html.escape(title)}</h1><p class="about">{html.escape(about)}</p>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
        f'<dl>{meanings}</dl>{sections}<p class="about"><small>{html.escape(made)}</small></p></body></html>\n'
    )
