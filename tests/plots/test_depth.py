"""Plots of characteristics against depth show the tables, with layers in order."""

import io

import matplotlib.figure
import numpy as np
import pytest

import keras_repreg
from keras_repreg import plots
from keras_repreg.characteristics import CharacteristicsTable

LAYERS = ["stem", "block_2", "block_10", "head"]


def table(scale=1.0, layers=LAYERS):
    return {name: {"stable_rank": scale * (k + 1), "sparsity": 0.1 * k} for k, name in enumerate(layers)}


def ys(ax):
    return [line.get_ydata().tolist() for line in ax.get_lines()]


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def ticks(ax):
    return [text.get_text() for text in ax.get_xticklabels()]


def test_one_panel_per_characteristic_and_one_line_per_model():
    figure = plots.by_layer({"baseline": table(), "cw-VR": table(3.0)})
    rank, sparsity = figure.axes
    assert [rank.get_title(), sparsity.get_title()] == ["stable rank", "sparsity"]
    assert ys(rank) == [[1, 2, 3, 4], [3, 6, 9, 12]]
    np.testing.assert_allclose(ys(sparsity), [[0, 0.1, 0.2, 0.3]] * 2)
    assert ticks(sparsity) == LAYERS
    assert legend_of(figure) == ["baseline", "cw-VR"]
    first, second = rank.get_lines()
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()
    assert [line.get_color() for line in sparsity.get_lines()] == [first.get_color(), second.get_color()]
    figure.savefig(io.BytesIO())


def test_results_of_measure_and_characterize_are_accepted():
    z = np.random.default_rng(0).normal(size=(50, 4))
    rows = {"a": keras_repreg.characterize(z, chance=True), "b": keras_repreg.characterize(2 * z, chance=True)}
    for given in (rows, CharacteristicsTable(rows)):
        figure = plots.by_layer(given)
        panels = {ax.get_title(): ax for ax in figure.axes}
        assert list(panels) == [name.replace("_", " ") for name in rows["a"] if not name.endswith("_at_chance")]
        value, chance = panels["stable rank"].get_lines()
        assert value.get_ydata().tolist() == [row["stable_rank"] for row in rows.values()]
        assert chance.get_ydata().tolist() == [row["stable_rank_at_chance"] for row in rows.values()]
        assert (value.get_linestyle(), chance.get_linestyle()) == ("-", "--")  # matplotlib's name for any dash pattern
        assert value.get_color() == chance.get_color()
        assert legend_of(figure) == ["at chance"]
        assert len(panels["sparsity"].get_lines()) == 1


def test_missing_layers_leave_a_gap():
    figure = plots.by_layer({1: table(layers=["a", "c"]), 20: table(layers=["a", "b", "c", "d"])}, "stable_rank")
    (ax,) = figure.axes
    assert ticks(ax) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(ys(ax), [[1, np.nan, 2, np.nan], [1, 2, 3, 4]])
    assert legend_of(figure) == ["1", "20"]


def test_wide_ranges_use_a_logarithmic_axis():
    rows = {"a": {"covariance": 1e-3, "sparsity": 0.01, "mean": -1.0}, "b": {"covariance": 1.0, "sparsity": 0.9}}
    covariance, sparsity, mean = plots.by_layer(rows).axes
    assert covariance.get_yscale() == "log"
    assert (sparsity.get_yscale(), mean.get_yscale()) == ("linear", "linear")  # a fraction; a signed value
    assert sparsity.get_ylim()[0] == 0
    assert mean.get_ylim()[0] < -1
    (ax,) = plots.by_layer({"a": {"dead_units": 0.0}, "b": {"dead_units": 0.0}}).axes
    assert ax.get_ylim() == (0, 1)


def test_many_layers_are_numbered():
    layers = [f"convolution_{k}" for k in range(53)]
    figure = plots.by_layer(table(layers=layers))
    assert figure.get_supxlabel() == "layer, from input to output: 1 is convolution_0, 53 is convolution_52"
    assert len(figure.axes[0].get_xticks()) < 15
    assert not figure.legends
    figure.savefig(io.BytesIO())


def test_nonfinite_values_are_not_drawn():
    rows = {"a": {"spectrum": np.ones(3), "nc1": float("inf")}, "b": {"spectrum": np.ones(3), "nc1": np.float64(2)}}
    (ax,) = plots.by_layer(rows).axes
    np.testing.assert_array_equal(ys(ax), [[np.nan, 2]])
    (ax,) = plots.by_layer({"a": {"nc1": float("nan")}}).axes
    ax.figure.savefig(io.BytesIO())


def test_draws_into_a_given_figure():
    figure = matplotlib.figure.Figure(layout="constrained")
    left, right = figure.subfigures(1, 2)
    assert plots.by_layer(table(), figure=right) is right
    assert len(right.axes) == 2
    assert not left.axes


def test_invalid_tables_raise():
    for tables in (3, [table()], {"a": 3}, {"a": {"b": {"c": 1.0}, "d": 2.0}}, {"stable_rank": 2.0}):
        with pytest.raises(TypeError, match="Received: "):
            plots.by_layer(tables)
    for tables in ({}, {"a": {}, "b": table()}, {"a": {}}, {"a": {"spectrum": np.ones(2)}}):
        with pytest.raises(ValueError, match="Received: "):
            plots.by_layer(tables)
    for characteristics in ("rank", ["stable_rank", "spectrum"], []):
        with pytest.raises(ValueError, match="Received: characteristics="):
            plots.by_layer(table(), characteristics)
    with pytest.raises(TypeError, match="Received: 'here'"):
        plots.by_layer(table(), figure="here")
