"""Legends fit into their figures, and colours are distinguishable with every kind of colour vision."""

import itertools

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from keras_repreg import plots
from keras_repreg.plots import colours, legends

# Linear RGB colours as seen by a dichromat (Machado, Oliveira and Fernandes, 2009, severity 1).
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Convert to Oklab, Ottosson's perceptually uniform colour space."""
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    lab = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099],
           [0.0259040371, 0.7827717662, -0.808675766]]  # fmt: skip
    return np.array(lab) @ np.cbrt(np.array(cones) @ np.clip(rgb, 0, 1))


def contrast_to_white(colour):
    return 1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
def test_categories_are_distinguishable_with_every_kind_of_colour_vision(vision):
    seen = [oklab(np.array(VISIONS[vision]) @ linear(colour)) for colour in colours.CATEGORIES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.07


def test_colours_are_visible_on_white():
    for colour in (*colours.CATEGORIES, colours.OTHERS, *colours.by_depth(100)):
        assert contrast_to_white(colour) > 1.9


def test_depth_runs_from_dark_to_light_in_even_steps():
    shades = colours.by_depth(12)
    lightness = [oklab(linear(shade))[0] for shade in shades]
    assert np.diff(lightness).min() > 0
    assert len(set(shades)) == 12
    assert colours.by_depth(1) == shades[:1]


def test_names_are_shortened_in_the_middle():
    assert legends.label("a" * 40 + "b" * 40, 11) == "aaaaa…bbbbb"
    assert legends.label("short") == "short"
    assert legends.label("_hidden") == " _hidden"
    assert legends.label(r"$x\$") == r"\$x\$"


def fits(figure, legend):
    box = legend.get_window_extent()
    return figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


@pytest.mark.parametrize("width", [2.0, 4.0, 12.0])
@pytest.mark.parametrize("names", [["a_rather_long_name_of_a_layer_" * 3 + str(k) for k in range(12)], ["x", "y"]])
def test_legends_above_fit(width, names):
    history = {f"val_{name}_sparsity": [0.1, 0.2] for name in names}
    for layout in ("constrained", None):
        figure = matplotlib.figure.Figure(figsize=(width, 6), layout=layout)
        plots.characteristics_over_epochs(history, figure=figure)
        FigureCanvasAgg(figure).draw()
        (legend,) = figure.legends
        assert len(legend.get_texts()) == len(names)
        assert fits(figure, legend)
        assert legend.get_window_extent().y0 >= figure.axes[0].get_window_extent().y1 - 1
    if width == 12.0 and names == ["x", "y"]:
        assert legend._ncols == 2


def test_legends_beside_fit_or_lie_within():
    z = np.random.default_rng(0).normal(size=(60, 4))
    labels = np.array([f"a class with a very long name, number {k % 9}" for k in range(60)])
    figure = plots.unit_scatter(z, labels)
    FigureCanvasAgg(figure).draw()
    ax = figure.axes[0]
    assert fits(figure, ax.get_legend())
    assert ax.get_window_extent().width > 0.4 * figure.bbox.width
    plain = matplotlib.figure.Figure(figsize=(6, 5))
    ax = plain.add_subplot()
    plots.unit_scatter(z, labels, ax=ax)
    FigureCanvasAgg(plain).draw()
    inside, box = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert inside.x0 <= box.x0
    assert box.x1 <= inside.x1
