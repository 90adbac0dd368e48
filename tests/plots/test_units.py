"""Histograms and scatter plots show the data."""

import io

import matplotlib.figure
import numpy as np
import pytest

from keras_repreg import plots
from keras_repreg.plots.units import _separating


def relu(samples=120, units=8, classes=3):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, samples)
    return np.maximum(rng.normal(size=(samples, units)) + (labels[:, None] == np.arange(units)), 0), labels


def heights(patch, bins):
    """Return the counts from the outline of a filled step histogram."""
    return patch.get_xy()[1 : 2 * bins : 2, 1]


def test_histograms_count_each_class_without_its_zeros():
    z, labels = relu()
    figure = plots.unit_histograms(z, labels, units=[0, 5], bins=12)
    assert isinstance(figure, matplotlib.figure.Figure)
    for ax, unit in zip(figure.axes, (0, 5), strict=True):
        positive = z[:, unit] > 0
        edges = np.histogram_bin_edges(z[positive, unit], 12)
        assert len(ax.patches) == 3
        for k, patch in enumerate(ax.patches):
            expected, _ = np.histogram(z[positive & (labels == k), unit], edges)
            np.testing.assert_array_equal(heights(patch, 12), expected)
        assert ax.get_title() == f"unit {unit}, {np.mean(~positive):.0%} zero"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]


def test_histograms_of_signed_values_keep_zeros():
    z = np.array([[-1.0], [0.0], [0.0], [1.0]])
    (ax,) = plots.unit_histograms(z, units=0, bins=3).axes
    np.testing.assert_array_equal(heights(ax.patches[0], 3), [1, 2, 1])
    assert ax.get_title() == "unit 0"
    assert not ax.figure.legends


def test_histograms_of_automatically_chosen_units():
    z, labels = relu(units=20)
    assert len(plots.unit_histograms(z, labels).axes) == 6
    assert len(plots.unit_histograms(z[:, :2]).axes) == 2


def test_histograms_of_a_dead_unit():
    z, labels = relu()
    z[:, 3] = 0
    (ax,) = plots.unit_histograms(z, labels, units=[3]).axes
    assert ax.get_title() == "unit 3, 100% zero"


def test_scatter_shows_each_sample_in_its_class():
    z, labels = relu()
    names = np.array(["cat", "dog", "owl"])
    figure = plots.unit_scatter(z, names[labels], units=(2, -1))
    (ax,) = figure.axes
    for k, points in enumerate(ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), z[labels == k][:, [2, 7]])
        assert points.get_label() == names[k]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit 2", "unit 7")
    assert len({points.get_facecolor().tobytes() for points in ax.collections}) == 3


def test_scatter_without_labels():
    z, _ = relu()
    (ax,) = plots.unit_scatter(z).axes
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), z[:, :2])
    assert ax.get_legend() is None


def test_only_the_most_frequent_of_many_classes_have_colours():
    z, _ = relu(samples=400)
    labels = np.concatenate([np.repeat(np.arange(50, 59), 20), np.arange(400 - 180) % 50])
    shown = [*map(str, range(50, 59)), "50 others"]
    (ax,) = plots.unit_scatter(z, labels).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == shown
    assert len({points.get_facecolor().tobytes() for points in ax.collections}) == 10
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), z[labels == 50][:, :2])
    np.testing.assert_array_equal(ax.collections[-1].get_offsets(), z[labels < 50][:, :2])
    assert ax.collections[-1].get_zorder() < ax.collections[0].get_zorder()
    figure = plots.unit_histograms(z, labels, units=0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == shown
    red, green, blue, _ = figure.axes[0].patches[-1].get_edgecolor()
    assert red == green == blue


def test_the_choice_of_units_is_stated():
    z, labels = relu(units=20)
    figure = plots.unit_histograms(z, labels)
    assert "6 of 20 units: those that separate the classes best" in figure.get_supxlabel().replace("\n", " ")
    assert "6 of 20 units: those that vary most" in plots.unit_histograms(z).get_supxlabel().replace("\n", " ")
    assert "All 2 units" in plots.unit_histograms(z[:, :2], labels).get_supxlabel()
    assert plots.unit_histograms(z, labels, units=[0, 1]).get_supxlabel() == "activation"
    (ax,) = plots.unit_scatter(z, labels, units=None).axes
    assert ax.get_title(loc="left").replace("\n", " ").startswith("2 of 20 units: those that separate the classes best")
    assert plots.unit_scatter(z, labels).axes[0].get_title(loc="left") == ""


def test_informative_units_are_chosen_without_redundancy():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    z = rng.normal(size=(90, 6))
    z[:, 4] += 20 * (labels == 1)
    z[:, 5] = z[:, 4] + 0.01 * rng.normal(size=90)  # redundant with unit 4
    z[:, 1] += 5 * (labels == 2)
    z[:, 2] = 0
    assert set(_separating(z, labels, 2)) in ({4, 1}, {5, 1})
    assert sorted(_separating(z, labels, 6)) == list(range(6))
    assert _separating(z * [1, 1, 1, 9, 1, 1], np.zeros(90, int), 6)[-1] == 2
    (ax,) = plots.unit_scatter(z, labels, units=None).axes
    assert {ax.get_xlabel(), ax.get_ylabel()} in ({"unit 4", "unit 1"}, {"unit 5", "unit 1"})


def test_histograms_and_scatter_plots_share_class_colours():
    z, labels = relu()
    filled = [patch.get_edgecolor() for patch in plots.unit_histograms(z, labels, units=0).axes[0].patches]
    dots = [points.get_facecolor()[0] for points in plots.unit_scatter(z, labels).axes[0].collections]
    np.testing.assert_allclose(np.array(filled)[:, :3], np.array(dots)[:, :3])


def test_draws_into_given_axes_and_figures():
    z, labels = relu()
    figure = matplotlib.figure.Figure(layout="constrained")
    left, right = figure.subfigures(1, 2)
    ax = left.add_subplot()
    plots.unit_scatter(z, labels, ax=ax)
    assert len(ax.collections) == 3
    assert plots.unit_histograms(z, labels, units=0, figure=right) is right
    assert len(right.axes) == 1
    plain = matplotlib.figure.Figure()
    plots.unit_histograms(z, labels, figure=plain)
    figure.savefig(io.BytesIO())
    plain.savefig(io.BytesIO())


@pytest.mark.parametrize("units", [[8], [-9], [0.5], [], "ab", [[0, 1]], (True, False)], ids=repr)
def test_invalid_units_raise(units):
    z, labels = relu()
    for draw in (plots.unit_histograms, plots.unit_scatter):
        with pytest.raises(ValueError, match="Received: units="):
            draw(z, labels, units=units)


def test_invalid_arguments_raise():
    z, labels = relu()
    with pytest.raises(ValueError, match="Received: units="):
        plots.unit_scatter(z, labels, units=(0, 1, 2))
    with pytest.raises(ValueError, match="at least two units"):
        plots.unit_scatter(z[:, :1])
    with pytest.raises(ValueError, match="labels.shape"):
        plots.unit_scatter(z, labels[:5])
    with pytest.raises(ValueError, match="finite"):
        plots.unit_histograms(z * np.nan)
    with pytest.raises(ValueError, match="Received: bins=0"):
        plots.unit_histograms(z, bins=0)
    with pytest.raises(TypeError, match="Received: 'here'"):
        plots.unit_scatter(z, ax="here")
    with pytest.raises(TypeError, match="Received: 'here'"):
        plots.unit_histograms(z, figure="here")
