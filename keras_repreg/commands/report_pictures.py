"""The plots of the report, as images embedded in the page, and the activations that they show."""

import base64
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg import plots
from keras_repreg.commands import report_page
from keras_repreg.commands.measurement import Held
from keras_repreg.commands.text import printable
from keras_repreg.plots.canvas import axes_of, pixels_of

# The maximum number of pixels along a side of a plot.
LARGEST_MATRIX = 1000
DPI = 180
# CSS pixels per inch.
PIXELS = 96


def by_depth(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return the plot of characteristics against depth."""
    readable = {printable(name): values for name, values in rows.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks
        return report_page.figure("Characteristics against depth", "wide", _image(plots.by_layer(readable), "svg"))


def of_layer(
    held: Held, labels: NDArray[Any] | None, units: str, spectrum: NDArray[Any], correlation: NDArray[Any]
) -> str:
    """Return the plots of a layer: single units, two units, the spectrum, and the correlations."""
    z, classes, rows = _rows(held, labels, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks
        return "".join(_drawn(z, classes, rows, spectrum, correlation))


def _rows(held: Held, labels: NDArray[Any] | None, units: str) -> tuple[NDArray[Any], NDArray[Any] | None, str]:
    """Return the rows to draw, as many as there are samples; if positions are samples, they are chosen at random."""
    z = held.z
    if units == "flatten" or (z.shape[1] == 1 and held.kept.all()):
        return z.reshape(len(z), -1), labels, f"{len(z):,} samples"
    kept = np.flatnonzero(held.kept)
    chosen = np.sort(np.random.default_rng(0).choice(kept, min(len(z), len(kept)), replace=False))
    classes = None if labels is None else labels[chosen // z.shape[1]]
    return z.reshape(-1, z.shape[2])[chosen], classes, f"{len(chosen):,} positions chosen at random"


def _drawn(
    z: NDArray[Any], labels: NDArray[Any] | None, rows: str, spectrum: NDArray[Any], correlation: NDArray[Any]
) -> list[str]:
    drawn = [(f"Single units, {rows}", "wide", plots.unit_histograms(z, labels))]
    if z.shape[1] > 1:
        scatter = plots.unit_scatter(z, labels, units=None, ax=_axes())
        drawn.append((f"Two units against each other, {rows}", "narrow", scatter))
    if spectrum.any():
        drawn.append(("Spectrum of the covariance", "narrow", plots.spectrum(spectrum, ax=_axes())))
    if z.shape[1] > 1:
        step = -(-len(correlation) // LARGEST_MATRIX)
        title = "Correlations between all units, including zeros"
        if step > 1:
            title = (
                f"Correlations between {-(-len(correlation) // step):,} of {len(correlation):,} units, evenly spaced"
            )
        matrix = plots.correlation_matrix(correlation[::step, ::step], ax=_axes())
        drawn.append((title, "narrow", matrix))
    # A palette would cause steps in the colour bar of the correlations.
    return [
        report_page.figure(title, kind, _image(figure, "png", palette="Correlations" not in title))
        for title, kind, figure in drawn
    ]


def _axes() -> Any:
    """Return axes for a plot beside two others."""
    return axes_of(None, 4.4, 3.6)


def _image(figure: Any, kind: str, *, palette: bool = False) -> tuple[str, int, int]:
    """Return a figure as a data URI, in 256 colours if `palette`, and its width and height in CSS pixels."""
    buffer = io.BytesIO()
    if kind == "svg":
        figure.savefig(buffer, format=kind, dpi=DPI)
    else:
        _write_png(figure, buffer, palette)
    media = "image/svg+xml" if kind == "svg" else f"image/{kind}"
    width, height = (round(PIXELS * inches) for inches in figure.get_size_inches())
    return f"data:{media};base64,{base64.b64encode(buffer.getvalue()).decode()}", width, height


def _write_png(figure: Any, buffer: io.BytesIO, palette: bool) -> None:
    """Write an image, with 256 colours at about a third of the size."""
    from PIL import Image  # matplotlib requires it

    image = Image.fromarray(pixels_of(figure, DPI))
    if palette:
        image = image.quantize(256)
    image.save(buffer, format="png")
