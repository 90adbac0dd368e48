"""Plots of spectra, correlations, epochs and the information plane show the data."""

import io
import types
from dataclasses import replace

import numpy as np
import pytest

from keras_repreg import plots
from keras_repreg.information import mutual_information


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_spectra_descend_and_noise_is_not_drawn():
    (ax,) = plots.spectrum({"a": [1.0, 4.0, 2.0], "b": np.array([3.0, 0.0, -1e-18, 1e-14])}).axes
    assert ax.get_yscale() == "log"
    a, b = lines(ax)["a"], lines(ax)["b"]
    np.testing.assert_array_equal(a.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(a.get_ydata(), [4, 2, 1])
    np.testing.assert_array_equal(b.get_ydata(), [3, np.nan, np.nan, np.nan])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    ax.figure.savefig(io.BytesIO())


def test_a_single_spectrum_has_no_legend():
    (ax,) = plots.spectrum(np.arange(1.0, 101.0)).axes
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), np.arange(100.0, 0.0, -1))
    assert ax.get_legend() is None


def test_spectrum_of_zeros_gives_an_empty_plot():
    plots.spectrum(np.zeros(4)).savefig(io.BytesIO())


@pytest.mark.parametrize("spectra", [{}, [], np.ones((2, 2)), [np.nan, 1.0], 3.0], ids=repr)
def test_invalid_spectra_raise(spectra):
    with pytest.raises(ValueError, match="Received: "):
        plots.spectrum(spectra)


def test_correlation_is_an_image_with_undefined_values_in_grey():
    matrix = np.array([[1.0, -0.5, np.nan], [-0.5, 1.0, 0.2], [np.nan, 0.2, np.nan]])
    ax, bar = plots.correlation_matrix(matrix).axes
    (image,) = ax.get_images()
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), matrix)
    assert image.get_clim() == (-1, 1)
    red, green, blue, _ = image.to_rgba(image.get_array())[0, 2]
    assert red == green == blue < 1
    assert bar.get_ylabel() == "correlation"


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((2, 3)), np.ones((0, 0)), [[1.0, 1.5], [1.5, 1.0]]], ids=repr)
def test_invalid_correlations_raise(matrix):
    with pytest.raises(ValueError, match="Received: "):
        plots.correlation_matrix(matrix)


HISTORY = {
    "loss": [3.0, 2.0, 1.0, 0.5],
    "val_loss": [3.0, 2.0],
    "val_dense_stable_rank": [2.0, 2.5],
    "val_dense_sparsity": [0.1, 0.2],
    "val_dense_1_sparsity": [0.3, 0.4],
    "val_dense_1_something_new": [7.0, 8.0],
    "val_other_zx_lower": [1.0, 2.0],
}


@pytest.mark.parametrize("wrap", [dict, lambda logged: types.SimpleNamespace(history=logged)], ids=["dict", "History"])
def test_epochs_have_one_panel_per_characteristic_and_one_line_per_layer(wrap):
    figure = plots.characteristics_over_epochs(wrap(HISTORY))
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["sparsity", "stable rank", "I(z; x), lower bound", "something new"]
    first, second, _ = panels["sparsity"].get_lines()
    np.testing.assert_array_equal(first.get_ydata(), [0.1, 0.2])
    np.testing.assert_array_equal(second.get_ydata(), [0.3, 0.4])
    np.testing.assert_array_equal(first.get_xdata(), [2, 4])  # validated every second epoch
    assert [len(line.get_ydata()) for line in panels["something new"].get_lines()] == [0, 2, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dense", "dense_1", "other"]
    figure.savefig(io.BytesIO())


def test_epochs_draw_standard_errors_with_their_values():
    history = {"val_z_zx": [1.0, 2.0], "val_z_zx_error": [0.1, 0.2], "val_z_zx_upper": [3.0, 4.0]}
    figure = plots.characteristics_over_epochs(history)
    assert [ax.get_title() for ax in figure.axes] == ["I(z; x)", "I(z; x), upper bound"]
    (bars,) = figure.axes[0].collections
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[0.8, 1.2], [1.6, 2.4]]
    assert not figure.axes[1].collections


def test_epochs_show_selected_layers():
    figure = plots.characteristics_over_epochs(HISTORY, "dense_1")
    assert [ax.get_title() for ax in figure.axes] == ["sparsity", "something new"]
    figure = plots.characteristics_over_epochs(HISTORY, [types.SimpleNamespace(name="dense")])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dense"]


def test_epochs_keep_the_layer_order_although_keras_sorts_the_keys():
    keys = sorted(f"val_{name}_sparsity" for name in ("stem", "block_2", "block_10", "inner/deep", "inner/out"))
    history = {key: [0.1, 0.2] for key in keys}

    def named(*names):
        return [types.SimpleNamespace(name=name) for name in names]

    inner = types.SimpleNamespace(name="inner", layers=named("deep"))
    model = types.SimpleNamespace(layers=[*named("stem"), inner, *named("block_2", "block_10")])
    expected = ["stem", "inner/out", "inner/deep", "block_2", "block_10"]
    belongs = types.SimpleNamespace(history=history, model=model)
    for figure in (
        plots.characteristics_over_epochs(belongs),
        plots.characteristics_over_epochs(history, order=model),
        plots.characteristics_over_epochs(history, order=expected),
    ):
        assert legend_of(figure) == expected
    assert legend_of(plots.characteristics_over_epochs(history))[:2] == ["block_2", "block_10"]
    for order in (3, [model], "stem"):
        with pytest.raises(ValueError, match="Received: order="):
            plots.characteristics_over_epochs(history, order=order)


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_layer_keeps_its_colour_and_marker_when_others_are_left_out():
    history = {f"val_block_{k}_sparsity": [0.1 * k, 0.2] for k in range(1, 6)}
    every = plots.characteristics_over_epochs(history).axes[0].get_lines()
    some = plots.characteristics_over_epochs(history, ["block_4", "block_2"]).axes[0].get_lines()
    for line, k in zip(some, (3, 1), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), every[k].get_ydata())
        assert (line.get_color(), line.get_marker()) == (every[k].get_color(), every[k].get_marker())
    points = {f"block_{k}": point() for k in (2, 1, 3, 4, 5)}
    (ax,) = plots.information_plane(points, order=[f"block_{k}" for k in range(1, 6)]).axes
    drawn = {name: line for name, line in lines(ax).items() if name.startswith("block")}
    assert list(drawn) == [f"block_{k}" for k in range(1, 6)]
    assert [line.get_color() for line in drawn.values()] == [line.get_color() for line in every]


def test_many_layers_are_shown_on_a_colour_bar():
    history = {f"val_block_{k}_sparsity": [0.1 * k, 0.2] for k in range(1, 14)}
    figure = plots.characteristics_over_epochs(history)
    assert not figure.legends
    panel, bar = figure.axes
    assert [text.get_text() for text in bar.get_yticklabels()][::5] == ["1  block_1", "13  block_13"]
    assert bar.yaxis_inverted()
    assert len({tuple(line.get_color()) for line in panel.get_lines()}) == 13
    plane = plots.information_plane({f"block_{k}": point() for k in range(1, 14)})
    assert plane.axes[0].get_legend() is None
    assert len(plane.axes) == 2
    plane.savefig(io.BytesIO())


def test_values_bounds_and_chance_have_different_dashes():
    history = {"val_z_zx": [1.0], "val_z_zx_upper": [3.0], "val_z_zx_lower": [0.5]}
    history |= {"val_z_stable_rank": [2.0], "val_z_stable_rank_at_chance": [9.0]}
    figure = plots.characteristics_over_epochs(history)
    panels = {ax.get_title(): ax.get_lines() for ax in figure.axes}
    assert list(panels) == ["stable rank", "I(z; x)", "I(z; x), lower bound", "I(z; x), upper bound"]
    dashes = [line._dash_pattern for lines in panels.values() for line in lines]
    assert len({str(pattern[1] and np.round(np.divide(pattern[1], pattern[1][0]), 2)) for pattern in dashes}) == 4
    assert panels["stable rank"][1].get_ydata() == [9.0]


def test_invalid_histories_raise():
    with pytest.raises(ValueError, match=r"Received: keys \['loss'\]"):
        plots.characteristics_over_epochs({"loss": [1.0]})
    with pytest.raises(TypeError, match="Received: 3"):
        plots.characteristics_over_epochs(3)
    for layer in ("dense_2", [], None.__class__):
        with pytest.raises(ValueError, match="Received: layer="):
            plots.characteristics_over_epochs(HISTORY, layer)


def point(scale=1.0, **arguments):
    z = np.random.default_rng(0).normal(size=(20, 3))
    return mutual_information(scale * z, np.arange(20) % 2, **arguments)


@pytest.mark.parametrize("estimate", ["value", "lower", "upper", "conventional"])
def test_plane_draws_each_layer_in_the_order_of_epochs(estimate):
    points = {1: point(1.0), 3: point(3.0), 2: point(2.0)}
    (ax,) = plots.information_plane({"a": points, "b": {5: point(0.5)}}, estimate=estimate).axes
    names = {
        "value": ("zx", "zy"),
        "lower": ("zx_lower", "zy_lower"),
        "upper": ("zx_upper", "zy_upper"),
        "conventional": ("zx_upper", "zy_upper_conventional"),
    }[estimate]
    for values, name in zip((lines(ax)["a"].get_xdata(), lines(ax)["a"].get_ydata()), names, strict=True):
        np.testing.assert_array_equal(values, [getattr(points[epoch], name) for epoch in (1, 2, 3)])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_title() == "s² = 0.1, N = 20, I(z; x) saturated"
    assert ax.get_xlabel().startswith(
        "I(z; x), " + {"value": "± 2 standard errors"}.get(estimate, f"{names[0][3:]} bound")
    )
    assert ax.get_xlabel().endswith("(nats)")
    bars = [segment for lines in ax.collections for segment in lines.get_segments()]
    assert len(bars) == (2 * 4 if estimate == "value" else 0)
    if estimate == "value":
        across = [segment for segment in bars if segment[0][1] == segment[1][1]]
        assert across[0][:, 0] == pytest.approx(points[1].zx + 2 * points[1].zx_error * np.array([-1, 1]))


def test_plane_without_labels_is_drawn_over_epochs():
    z = np.random.default_rng(0).normal(size=(20, 3))
    points = {epoch: mutual_information(epoch * z) for epoch in (1, 2, 3)}
    (ax,) = plots.information_plane({"a": points}).axes
    np.testing.assert_array_equal(lines(ax)["a"].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(lines(ax)["a"].get_ydata(), [points[epoch].zx for epoch in (1, 2, 3)])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "I(z; x), ± 2 standard errors (nats)")
    assert len(ax.collections[0].get_segments()) == 3
    with pytest.raises(ValueError, match="or none to be measured with labels"):
        plots.information_plane({"a": points, "b": point()})


def test_plane_with_a_single_unsaturated_point():
    few, many = point(noise_variance=10.0), replace(point(noise_variance=10.0), n_samples=900)
    assert plots.information_plane({"a": [few, many]}).axes[0].get_title() == "s² = 10, N = 20 to 900"


def test_plane_takes_lists_and_single_points():
    (ax,) = plots.information_plane({"run": [point(1.0), point(2.0)], "other": point(3.0)}).axes
    assert len(lines(ax)["run"].get_xdata()) == 2
    assert len(lines(ax)["other"].get_xdata()) == 1


def test_invalid_points_raise():
    for points in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="at least one point"):
            plots.information_plane(points)
    for points in (3, {"a": 3}, {"a": [1.0]}, {"a": "b"}):
        with pytest.raises(TypeError, match="Received: "):
            plots.information_plane(points)
    for other in (point(information_unit="bits"), replace(point(), noise_variance=0.2)):
        with pytest.raises(ValueError, match="the same unit and noise"):
            plots.information_plane({"a": [point(), other]})
    with pytest.raises(ValueError, match="Received: estimate='middle'"):
        plots.information_plane({"a": point()}, estimate="middle")


def test_draws_into_given_axes():
    figure = plots.spectrum([1.0])
    ax = figure.axes[0]
    assert plots.spectrum([2.0], ax=ax) is figure
    assert plots.information_plane({"a": point()}, ax=ax) is figure
    assert len(figure.axes) == 1


@pytest.mark.parametrize("draw", [plots.spectrum, plots.correlation_matrix], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("value", ["a", ["a"], [{}], [[1.0], [1.0, 2.0]]], ids=str)
def test_nonnumeric_arrays_raise(draw, value):
    with pytest.raises(ValueError, match="Expected an array of real numbers. Received: "):
        draw(value)
