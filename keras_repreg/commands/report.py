"""The report: findings, plots against depth, the table, and a section with plots for each layer."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_repreg
from keras_repreg.characteristics.definitions import AT_CHANCE, meaning
from keras_repreg.characteristics.table import shown
from keras_repreg.commands import report_page, report_pictures
from keras_repreg.commands.classes import named
from keras_repreg.commands.data.source import Data
from keras_repreg.commands.findings import LEVELS, Finding, correlation_of, findings
from keras_repreg.commands.measurement import LayerMeasurement
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.report_page import escaped
from keras_repreg.information import MutualInformation, mutual_information, relative_noise_variance

MAJOR = LEVELS.index("major")
# The number of activations multiplied at once.
BLOCK = 2**24
# Characteristics that are plotted against depth, in addition to mutual information.
PANELS = 7
# The number of unfolded sections, for the layers with the most severe findings.
OPENED = 3
# In a model with more layers, only those with a major finding have plots, which take half a second and 400 kB per
# layer.
PICTURED = 40


@dataclasses.dataclass(frozen=True)
class Section:
    """The part of the page for a layer."""

    name: str
    size: str
    values: dict[str, float]
    row: str
    found: list[Finding]
    body: str

    @property
    def severity(self) -> float:
        """The severity of its most severe finding, or -1 if there is none."""
        return _severity(self.found)


class Report:
    """A page that is built layer by layer.

    Args:
        arguments: The command-line arguments.
        data: The data of the measurement.
        class_names: The names of classes 0, 1 ..., or None.
        names: The characteristics of the table.
        layers: The number of layers to come.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        data: Data,
        class_names: Sequence[str] | None,
        names: Sequence[str],
        layers: int,
    ):
        self._arguments, self._data, self._class_names = arguments, data, class_names
        self._names = [name for name in names if not name.endswith(AT_CHANCE)]
        self._labelled = data.classes is not None
        self._pictures_all = layers <= PICTURED
        self._sections: list[Section] = []

    def add(self, layer: LayerMeasurement, values: dict[str, Any]) -> None:
        """Add the section of a layer with all its characteristics.

        Raises:
            Refusal: if the values do not allow a plot or an estimate of mutual information.
        """
        try:
            self._add(layer, values)
        except ValueError as error:
            raise Refusal(f"layer {layer.name!r}: {str(error).splitlines()[0]}") from error

    def _add(self, layer: LayerMeasurement, values: dict[str, Any]) -> None:
        held, accumulator = layer.held, layer.accumulator
        assert held is not None
        information = self._information(held.z, held.classes)
        found = findings(values, accumulator, information)
        pictures = ""
        if self._pictures_all or _severity(found) >= MAJOR:
            pictures = report_pictures.of_layer(
                held, named(held.classes, self._class_names), self._arguments.units, values["spectrum"],
                correlation_of(accumulator),
            )  # fmt: skip
        size = f"{accumulator.width:,} {'unit' if accumulator.width == 1 else 'units'}"
        if accumulator.samples != self._data.samples:
            size += f", {accumulator.samples:,} positions of {self._data.samples:,} samples"
        number = len(self._sections) + 1
        row = self._row(number, layer.name, values, information)
        kept = self._against_depth(values, information)
        self._sections.append(Section(layer.name, size, kept, row, found, _body(values, found, pictures, information)))

    def _information(self, held: NDArray[Any], labels: NDArray[Any] | None) -> MutualInformation:
        z, noise = held.reshape(len(held), -1), self._arguments.noise_variance
        if noise is None:
            try:
                noise = relative_noise_variance(z)
            except ValueError:  # all samples are equal, so the noise does not matter
                noise = 1.0
        found = mutual_information(_coordinates(z), labels, noise, self._arguments.unit)
        return dataclasses.replace(found, n_units=int(np.prod(held.shape[1:])))

    def _row(self, number: int, layer: str, values: dict[str, Any], information: MutualInformation) -> str:
        cells = [_cell(values, name) for name in self._names]
        cells.append(escaped(f"{information.zx:.2f} ± {information.zx_error:.1g}"))
        if self._labelled:
            cells.append(escaped(f"{information.zy:.2f} ± {information.zy_error:.1g}"))
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        return f'<tr><th scope="row">{report_page.link(number, layer)}</th>{row}</tr>'

    def _against_depth(self, values: dict[str, Any], information: MutualInformation) -> dict[str, float]:
        numbers = [name for name in self._names if not isinstance(values[name], np.ndarray)][:PANELS]
        keys = [key for name in numbers for key in (name, name + AT_CHANCE) if key in values]
        kept = {key: float(values[key]) for key in keys}
        kept[f"I(z;x), {information.unit}"] = information.zx
        if information.zy is not None:
            kept[f"I(z;y), {information.unit}"] = information.zy
        return kept

    def page(self) -> str:
        """Return the whole page."""
        title = f"Inside {self._arguments.model.name}"
        notes = "".join(f'<p class="about">{escaped(note)}</p>' for note in self._data.notes)
        found = report_page.remarks(
            (number, section.name, finding)
            for number, section in enumerate(self._sections, 1)
            for finding in section.found
        )
        made = f"keras-repreg {keras_repreg.__version__}, Keras {keras.__version__} on {keras.backend.backend()}"
        depth = ""
        if len(self._sections) > 1:
            depth = report_pictures.by_depth({section.name: section.values for section in self._sections})
        return report_page.document(
            title,
            f'<h1>{escaped(title)}</h1><p class="about">{escaped(self._about())}</p>{notes}'
            f"<h2>What stands out</h2>{report_page.stands_out(found, len(self._sections))}{depth}"
            f"<h2>All layers</h2>{self._table()}<h2>Layer by layer</h2>{self._layers()}"
            f'<p class="about"><small>{escaped(made)}</small></p>',
        )

    def _table(self) -> str:
        unit = self._arguments.unit
        columns = ["layer", *(name.replace("_", " ") for name in self._names), f"I(z;x), {unit}"]
        if self._labelled:
            columns.append(f"I(z;y), {unit}")
        meanings = "".join(
            f"<dt>{escaped(name.replace('_', ' '))}</dt><dd>{escaped(meaning(name))}</dd>" for name in self._names
        )
        return (
            f"{report_page.table(columns, [section.row for section in self._sections])}"
            f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>"
        )

    def _layers(self) -> str:
        severe = [k for k, section in enumerate(self._sections) if section.severity >= MAJOR]
        opened = sorted(severe, key=lambda k: -self._sections[k].severity)[:OPENED]
        if len(self._sections) == 1:
            opened = [0]
        parts = []
        for k, section in enumerate(self._sections):
            # A remark on the measurement is not a finding about the layer.
            own = sum(finding.level != LEVELS[0] for finding in section.found)
            summary = f"{own} {'finding' if own == 1 else 'findings'}" if own else "nothing stands out"
            parts.append(
                report_page.section(k + 1, section.name, section.size, summary, section.body, opened=k in opened)
            )
        return "".join(parts)

    def _about(self) -> str:
        arguments, samples = self._arguments, min(self._arguments.samples, self._data.samples)
        given = arguments.noise_variance
        noise = "the layer's own mean variance" if given is None else f"variance {given:g}"
        some = "" if self._pictures_all else (
            f" The model has more than {PICTURED} layers, so pictures are drawn only where a major finding stands out; "
            "choose layers with --layers to see theirs."
        )  # fmt: skip
        used = "all of them" if samples == self._data.samples else f"{samples:,} of them, chosen at random"
        return (
            f"Measured on {self._data.samples:,} samples of {self._data.name}. Pictures and mutual information use "
            f"{used}; layers too large for memory use fewer, and N says how many. "
            f"Mutual information is that of the layer's output with Gaussian noise of {noise} added, ± one standard "
            f"error.{some}"
        )


def _severity(found: Sequence[Finding]) -> float:
    """Return the severity of the most severe finding, or -1 without any."""
    return max((finding.severity for finding in found), default=-1.0)


def _body(values: dict[str, Any], found: Sequence[Finding], pictures: str, information: MutualInformation) -> str:
    items = "".join(report_page.finding_item(finding) for finding in found)
    listed = f'<ul class="findings">{items}</ul>' if items else ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(key)}</th><td>{escaped(shown(value))}</td>'
        f'<td class="words">{escaped(meaning(key))}</td></tr>'
        for key, value in values.items()
    )
    return (
        f"{listed}<p>{escaped(information)}</p>"
        f'<div class="pictures">{pictures}</div><details><summary>All characteristics</summary>'
        f'<div class="scroll"><table><tbody>{rows}</tbody></table></div></details>'
    )


def _cell(values: dict[str, Any], name: str) -> str:
    """Return a value as HTML, with its value at chance below it if measured."""
    chance = values.get(name + AT_CHANCE)
    beside = "" if chance is None else f" <small>chance {escaped(shown(chance))}</small>"
    return f"{escaped(shown(values[name]))}{beside}"


def _coordinates(z: NDArray[Any]) -> NDArray[np.float64]:
    """Reduce the units to the number of samples, if larger, keeping the distances between samples.

    The coordinates are computed from the Gram matrix, which is summed in float64 over blocks of units without copying
    the activations.
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
