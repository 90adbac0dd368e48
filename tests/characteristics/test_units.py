"""The table of a layer's units matches loops, and rectifiers are recognized."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_repreg.characteristics import Characteristics, covariances
from keras_repreg.characteristics.rectified import graphs_within, is_rectifier, positive_only_of
from keras_repreg.characteristics.single_units import PER_UNIT


def units_of(z, labels=None, positive_only=False, names=PER_UNIT):
    names = [*names, "within_class_variance"] if labels is not None else names
    accumulator = Characteristics(positive_only, names)
    for start in range(0, len(z), 9):
        accumulator.update(z[start : start + 9], None if labels is None else labels[start : start + 9])
    return accumulator.units()


def activations(samples=40, units=6):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(samples, units)) @ rng.normal(size=(units, units))
    z[:, 2] = 0
    return z


@pytest.mark.parametrize("block", [1024, 8], ids=["samples buffered", "sums"])
def test_columns_match_a_loop(block, monkeypatch):
    monkeypatch.setattr(covariances, "BLOCK", block)
    z, labels = activations(), np.arange(40) % 3 + 5
    z[labels == 6, 1] += 4
    table = units_of(z, labels)
    assert list(table) == list(range(6))
    average = np.mean([np.abs(z[:, i]).mean() for i in range(6)])
    alive = [0, 1, 3, 4, 5]
    for i in range(6):
        row = table[i]
        assert row["mean"] == pytest.approx(z[:, i].mean())
        assert row["variance"] == pytest.approx(z[:, i].var())
        assert row["amplitude"] == pytest.approx(np.abs(z[:, i]).mean())
        assert row["sparsity"] == pytest.approx((z[:, i] == 0).mean())
        assert row["dead"] is (i == 2)
        assert row["dormant_score"] == pytest.approx(np.abs(z[:, i]).mean() / average)
    for i in alive:
        rho = {j: np.corrcoef(z[:, i], z[:, j])[0, 1] for j in alive if j != i}
        best = max(rho, key=lambda j: abs(rho[j]))
        assert table[i]["most_correlated"] == best
        assert table[i]["correlation"] == pytest.approx(rho[best])
        means = [z[labels == k, i].mean() for k in (5, 6, 7)]
        between = sum((labels == k).mean() * (m - z[:, i].mean()) ** 2 for k, m in zip((5, 6, 7), means, strict=True))
        assert table[i]["between_share"] == pytest.approx(between / z[:, i].var())
        assert table[i]["favourite_class"] == (5, 6, 7)[int(np.argmax(means))]
    assert table[1]["favourite_class"] == 6
    dead = table[2]
    assert (dead["most_correlated"], dead["correlation"]) == (None, 0.0)
    assert (dead["between_share"], dead["favourite_class"]) == (0.0, None)


@pytest.mark.parametrize("block", [1024, 8], ids=["samples buffered", "sums"])
def test_rectified_units_use_positive_values(block, monkeypatch):
    monkeypatch.setattr(covariances, "BLOCK", block)
    z = np.maximum(activations(), 0)
    table = units_of(z, positive_only=True)
    for i in (0, 1, 3, 4, 5):
        assert table[i]["amplitude"] == pytest.approx(z[z[:, i] > 0, i].mean())
        j = table[i]["most_correlated"]
        both = (z[:, i] > 0) & (z[:, j] > 0)
        assert table[i]["correlation"] == pytest.approx(np.corrcoef(z[both, i], z[both, j])[0, 1])


def test_wide_layer_is_computed_in_tiles():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(30, 700))
    z[:, 1] = -z[:, 699] + 0.01 * rng.normal(size=30)
    table = units_of(z)
    assert (table[1]["most_correlated"], table[699]["most_correlated"]) == (699, 1)
    assert table[1]["correlation"] == table[699]["correlation"] == pytest.approx(-1, abs=1e-3)
    rho = np.abs(np.corrcoef(z.T)) - 2 * np.eye(700)
    assert [row["most_correlated"] for row in table.values()] == rho.argmax(axis=1).tolist()


def test_long_tables_are_printed_in_part_and_written_in_full(tmp_path):
    table = units_of(np.random.default_rng(0).normal(size=(5, 100)), np.array([0, 1, 0, 1, 0]))
    lines = repr(table).splitlines()
    assert lines[0].split()[:3] == ["unit", "mean", "variance"]
    assert len(lines) == 1 + 30 + 1 + 30
    assert lines[-1].startswith("99")
    table.to_csv(tmp_path / "units.csv")
    assert len((tmp_path / "units.csv").read_text().splitlines()) == 101
    assert "no" in repr(table)


def test_missing_requirements_of_the_table_raise():
    with pytest.raises(ValueError, match="Received: without .*pairs"):
        units_of(activations(), names=["amplitude", "mean"])
    with pytest.raises(ValueError, match="Received: 40 NaN"):
        units_of(activations() * np.array([1, 1, 1, np.nan, 1, 1]))
    assert len(Characteristics(characteristics=PER_UNIT).units()) == 0


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Dense(3, activation="relu"), True),
        (layers.Dense(3, activation="relu6"), True),
        (layers.Dense(3, activation=layers.ReLU()), True),
        (layers.Dense(3, activation=lambda x: ops.maximum(x, 0.0)), True),
        (layers.Dense(3), False),
        (layers.Dense(3, activation="softmax"), False),
        (layers.Dense(3, activation="leaky_relu"), False),
        (layers.Dense(3, activation="gelu"), False),
        (layers.Conv2D(3, 3, activation="relu"), True),
        (layers.Activation("relu"), True),
        (layers.Activation("tanh"), False),
        (layers.ReLU(), True),
        (layers.ReLU(max_value=6.0), True),
        (layers.ReLU(negative_slope=0.1), False),
        (layers.LeakyReLU(), False),
        (layers.TimeDistributed(layers.Dense(3, activation="relu")), True),
        (layers.LSTM(3), False),
        (keras.Sequential([layers.Dense(3), layers.ReLU()]), True),
        (layers.Add(), False),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_activation_determines_positive_only(layer, expected):
    assert positive_only_of(layer) is expected


def test_layers_without_effect_inherit_from_the_layer_before():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPool2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(3, name="linear"),
            layers.Dropout(0.5, name="after"),
        ]
    )
    links = graphs_within(model)
    found = {name: positive_only_of(model.get_layer(name), links) for name in ("pool", "flat", "dropout", "after")}
    assert found == {"pool": True, "flat": True, "dropout": True, "after": False}
    inputs_alone = keras.Sequential([keras.Input((3,)), layers.Flatten(name="first"), layers.Dense(2)])
    assert positive_only_of(inputs_alone.get_layer("first"), graphs_within(inputs_alone)) is False
    assert positive_only_of(layers.Flatten(name="flat"), links) is False  # of a different model
    outer = keras.Sequential([keras.Input((6, 6, 1)), model, layers.Dense(2)])
    assert positive_only_of(model.get_layer("pool"), graphs_within(outer)) is True
    start = keras.Input((4,))
    by_operation = keras.Model(start, layers.Dense(2)(layers.Dropout(0.1, name="last")(ops.relu(start))))
    assert positive_only_of(by_operation.get_layer("last"), graphs_within(by_operation)) is True


def test_functions_of_other_values_are_not_rectifiers():
    assert not is_rectifier(3)
    assert not is_rectifier(lambda x: x[:, :2])
    assert not is_rectifier(lambda x, y: x)
