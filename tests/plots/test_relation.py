"""Plots of two numbers per network: points, r and its interval, and names that do not overlap."""

import io

import numpy as np
import pytest

from keras_repreg import plots


def points(number=12):
    rng = np.random.default_rng(1)
    x = rng.normal(size=number)
    return {f"network {k}": (x[k], x[k] + rng.normal()) for k in range(number)}


def test_points_and_error_bars():
    figure = plots.correlation_scatter({"a": (1, 2, 0.1, 0.2), "b": (3, 5, 0.3, 0.4)}, "x", "y")
    (ax,) = figure.axes
    assert ax.get_lines()[0].get_xydata().tolist() == [[1, 2], [3, 5]]
    bars = [segment.tolist() for lines in ax.collections for segment in lines.get_segments()]
    np.testing.assert_allclose(bars[0], [[0.9, 2], [1.1, 2]])
    np.testing.assert_allclose(bars[3], [[3, 4.6], [3, 5.4]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("x", "y", "n = 2")
    assert not plots.correlation_scatter({"a": (1, 2)}).axes[0].collections


def test_r_and_its_interval():
    given = points()
    x, y = np.array(list(given.values())).T
    r = np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std())
    low, high = np.tanh(0.5 * np.log((1 + r) / (1 - r)) + 1.96 / 3 * np.array([-1, 1]))
    title = plots.correlation_scatter(given).axes[0].get_title().replace("−", "-")
    assert title == f"r = {r:.2f} (95% interval {low:.2f} to {high:.2f}), n = 12"
    three = {"a": (0, 0), "b": (1, 1), "c": (2, 1)}
    assert plots.correlation_scatter(three).axes[0].get_title() == "r = 0.87, n = 3"
    line = {name: (k, -2 * k) for k, name in enumerate("abcd")}
    assert plots.correlation_scatter(line).axes[0].get_title() == "r = −1.00, n = 4"
    assert plots.correlation_scatter({name: (k, 1) for k, name in enumerate("abc")}).axes[0].get_title() == "n = 3"


def test_names_do_not_overlap_each_other_or_points():
    given = {f"network {k}": (9 + 0.01 * k, 2.7 + 0.02 * k) for k in range(6)} | {"other": (0, 3)}
    figure = plots.correlation_scatter(given)
    (ax,) = figure.axes
    figure.savefig(io.BytesIO())
    assert {text.get_text() for text in ax.texts} == set(given)
    boxes = [text.get_window_extent() for text in ax.texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert not any(box.contains(*ax.transData.transform(point)) for point in given.values())


@pytest.mark.parametrize("value", [(1,), (1, 2, 3), (1, float("nan")), (1, 2, -1, 0), "ab", 3, ("a", "b")], ids=repr)
def test_invalid_points_raise(value):
    with pytest.raises(ValueError, match="Received: 'a': "):
        plots.correlation_scatter({"b": (0, 0), "a": value})


def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match=r"at least one point\. Received: {}"):
        plots.correlation_scatter({})
    with pytest.raises(TypeError, match="Received: 3"):
        plots.correlation_scatter(3)
    with pytest.raises(TypeError, match="Received: 'here'"):
        plots.correlation_scatter({"a": (1, 2)}, ax="here")
    with pytest.raises(TypeError, match="Received: y_label=3"):
        plots.correlation_scatter({"a": (1, 2)}, y_label=3)
