"""One page that holds everything: the table, pictures of each layer, and what stands out in it."""

import argparse
import base64
import dataclasses
import hashlib
import html
import io
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_repreg
from keras_repreg import plots
from keras_repreg.characteristics.definitions import CHARACTERISTICS
from keras_repreg.characteristics.table import shown
from keras_repreg.commands.classes import named
from keras_repreg.commands.data.source import Data
from keras_repreg.commands.findings import correlation_of, findings
from keras_repreg.commands.measurement import Held, LayerMeasurement
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable
from keras_repreg.information import MutualInformation, mutual_information, relative_noise_variance
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
th:first-child, td.words { text-align: left; }
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

# Nothing but what is in the page is shown or run, wherever it is opened.
POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
# A picture has fewer pixels than that along a side.
LARGEST_MATRIX = 1000
# Of more classes no legend is legible: pictures then show all samples alike.
MOST_CLASSES = 20
# Numbers of activations that are multiplied in one go.
BLOCK = 2**24


class Report:
    """A page that is made layer by layer.

    Args:
        arguments: Those of the command line.
        data: What is measured on.
        class_names: The names of classes 0, 1 ..., or None.
        names: The characteristics of the table.
    """

    def __init__(
        self, arguments: argparse.Namespace, data: Data, class_names: Sequence[str] | None, names: Sequence[str]
    ):
        self._arguments, self._data, self._class_names, self._names = arguments, data, class_names, names
        self._labelled = data.classes is not None
        self._rows: list[str] = []
        self._sections: list[str] = []

    def add(self, layer: LayerMeasurement, values: dict[str, Any]) -> None:
        """Add the section of a layer whose characteristics, all of them, are `values`.

        Raises:
            Refusal: if the numbers suit no picture or no mutual information.
        """
        try:
            self._add(layer, values)
        except ValueError as error:
            raise Refusal(f"layer {layer.name!r}: {str(error).splitlines()[0]}") from error

    def _add(self, layer: LayerMeasurement, values: dict[str, Any]) -> None:
        held, accumulator = layer.held, layer.accumulator
        assert held is not None
        told = self._information(held.z, held.classes)
        found = findings(values, accumulator, told)
        classes = named(held.classes, self._class_names)
        if classes is not None and len(np.unique(classes)) > MOST_CLASSES:
            classes = None
        rows, row_classes = _rows(held, classes, self._arguments.units)
        pictures = _pictures(rows, row_classes, values["spectrum"], correlation_of(accumulator))
        size = f"{accumulator.width:,} units"
        if accumulator.samples != self._data.samples:
            size += f", {accumulator.samples:,} positions of {self._data.samples:,} samples"
        information = str(told)
        number = len(self._rows) + 1
        self._rows.append(self._row(number, layer.name, values, told))
        self._sections.append(_section(number, layer.name, size, values, found, pictures, information))

    def _information(self, held: NDArray[Any], labels: NDArray[Any] | None) -> MutualInformation:
        z, noise = held.reshape(len(held), -1), self._arguments.noise_variance
        if noise is None:
            try:
                noise = relative_noise_variance(z)
            except ValueError:  # all samples are equal: any noise tells as little
                noise = 1.0
        told = mutual_information(_coordinates(z), labels, noise, self._arguments.unit)
        return dataclasses.replace(told, n_units=int(np.prod(held.shape[1:])))

    def _row(self, number: int, layer: str, values: dict[str, Any], told: MutualInformation) -> str:
        cells = [shown(values[name]) for name in self._names]
        cells.append(f"{told.zx:.2f} ± {told.zx_error:.1g}")
        if self._labelled:
            cells.append(f"{told.zy:.2f} ± {told.zy_error:.1g}")
        link = f'<a href="#layer-{number}">{_escaped(layer)}</a>'
        return f'<tr><th scope="row">{link}</th>{_cells(cells)}</tr>'

    def page(self) -> str:
        """The whole page."""
        unit = self._arguments.unit
        columns = ["layer", *(name.replace("_", " ") for name in self._names), f"I(z;x), {unit}"]
        if self._labelled:
            columns.append(f"I(z;y), {unit}")
        head = "".join(f'<th scope="col">{_escaped(column)}</th>' for column in columns)
        meanings = "".join(
            f"<dt>{_escaped(name.replace('_', ' '))}</dt><dd>{_escaped(CHARACTERISTICS[name].meaning)}</dd>"
            for name in self._names
        )
        title = _escaped(f"Inside {self._arguments.model.name}")
        notes = "".join(f'<p class="about">{_escaped(note)}</p>' for note in self._data.notes)
        made = f"keras-repreg {keras_repreg.__version__}, Keras {keras.__version__} on {keras.backend.backend()}"
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{STYLE}</style></head><body>"
            f'<h1>{title}</h1><p class="about">{_escaped(self._about())}</p>{notes}'
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(self._rows)}</tbody></table>'
            f"</div><dl>{meanings}</dl>{''.join(self._sections)}"
            f'<p class="about"><small>{_escaped(made)}</small></p></body></html>\n'
        )

    def _about(self) -> str:
        arguments, samples = self._arguments, min(self._arguments.samples, self._data.samples)
        given = arguments.noise_variance
        noise = "the layer's own mean variance" if given is None else f"variance {given:g}"
        return (
            f"{arguments.model.name}, {self._data.samples:,} samples of {self._data.name}. Pictures and mutual "
            f"information are of {samples:,} of them, chosen at random, or of fewer in layers so large that these "
            "would not fit into memory: N says of how many. Mutual information is that of the layer with Gaussian "
            f"noise of {noise} added, a value with one standard error; the sections have its bounds."
        )


def _coordinates(z: NDArray[Any]) -> NDArray[np.float64]:
    """Fewer numbers for each sample with the same distances between samples, where there are more units than samples.

    Formed block by block of units from their Gram matrix, in float64: no copy of the activations is.
    """
    samples, units = z.shape
    if units <= samples:
        return z.astype(np.float64)
    gram = np.zeros((samples, samples))
    step = max(BLOCK // samples, 1)
    for start in range(0, units, step):
        block = z[:, start : start + step].astype(np.float64)
        block -= block.mean(axis=0)
        gram += block @ block.T
    if not np.isfinite(gram).all():
        raise ValueError("Expected activations whose squares fit in float64. Received: larger ones")
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _rows(held: Held, labels: NDArray[Any] | None, units: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """What is drawn: as many rows as there are samples; of positions that are samples a random choice."""
    z = held.z
    if units == "flatten" or (z.shape[1] == 1 and held.kept.all()):
        return z.reshape(len(z), -1), labels
    kept = np.flatnonzero(held.kept)
    chosen = np.sort(np.random.default_rng(0).choice(kept, min(len(z), len(kept)), replace=False))
    return z.reshape(-1, z.shape[2])[chosen], None if labels is None else labels[chosen // z.shape[1]]


def _pictures(
    z: NDArray[Any], labels: NDArray[Any] | None, spectrum: NDArray[Any], correlation: NDArray[Any]
) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks
        return _drawn(z, labels, spectrum, correlation)


def _drawn(
    z: NDArray[Any], labels: NDArray[Any] | None, spectrum: NDArray[Any], correlation: NDArray[Any]
) -> list[str]:
    drawn = [("Single units", "wide", plots.unit_histograms(z, labels))]
    if z.shape[1] > 1:
        drawn.append(("Two units against each other", "narrow", plots.unit_scatter(z, labels, units=None, ax=_axes())))
    if spectrum.any():
        drawn.append(("Spectrum of the covariance", "narrow", plots.spectrum(spectrum, ax=_axes())))
    if z.shape[1] > 1:
        step = -(-len(correlation) // LARGEST_MATRIX)
        title = "Correlation of the units, all values" if step == 1 else f"Correlation of every {step}th unit"
        matrix = plots.correlation_matrix(correlation[::step, ::step], ax=_axes())
        drawn.append((title, "narrow", matrix))
    return [
        f'<figure class="{kind}"><img alt="{_escaped(title)}" src="data:image/png;base64,{_png(figure)}">'
        f"<figcaption>{_escaped(title)}</figcaption></figure>"
        for title, kind, figure in drawn
    ]


def _axes() -> Any:
    """Axes of a picture that stands beside two more."""
    return axes_of(None, 4.4, 3.6)


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()


def _section(
    number: int,
    name: str,
    size: str,
    values: dict[str, Any],
    found: list[str],
    pictures: list[str],
    information: str,
) -> str:
    if found:
        noticed = '<ul class="findings">' + "".join(f"<li>{_escaped(text)}</li>" for text in found) + "</ul>"
    else:
        noticed = '<p class="calm">Nothing stands out.</p>'
    rows = "".join(
        f'<tr><th scope="row">{_escaped(key)}</th><td>{_escaped(shown(value))}</td>'
        f'<td class="words">{_escaped(CHARACTERISTICS[key].meaning)}</td></tr>'
        for key, value in values.items()
    )
    return (
        f'<section id="layer-{number}"><h2>{_escaped(name)} <small>{size}</small></h2>'
        f"{noticed}<p>{_escaped(information)}</p>"
        f'<div class="pictures">{"".join(pictures)}</div>'
        f"<details><summary>All characteristics</summary><table><tbody>{rows}</tbody></table></details></section>"
    )


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{_escaped(cell)}</td>" for cell in cells)


def _escaped(text: str) -> str:
    """Text within the page, control characters made visible."""
    return html.escape(printable(text), quote=True)
