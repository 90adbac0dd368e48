"""Cocktails: active regularizers, their order, and searches over them."""

import csv

import keras
import keras_tuner
import numpy as np
import pytest
from keras import ops

import keras_repreg
from keras_repreg.tuning import (
    LATER_NAMES,
    NAMES,
    Cocktail,
    Regularization,
    RegularizerSearch,
    choose_cocktail,
    choose_regularization,
)
from tests import reference
from tests.layers.cases import batch
from tests.tuning.test_search import Scripted, X, Y, constant, frozen_garbage  # noqa: F401

INGREDIENTS = (*NAMES[1:], *LATER_NAMES)


def hyperparameters(**strengths):
    """Return hyperparameters that switch on the named regularizers, each with a weight, a rate or None."""
    hp = keras_tuner.HyperParameters()
    for name, strength in strengths.items():
        name = f"regularization_{name.replace('_', '-')}"
        hp.values[name] = True
        if strength is not None:
            hp.values[f"{name}_{'rate' if name.endswith('Dropout') else 'weight'}"] = strength
    return hp


def built(hp, **arguments):
    keras.utils.set_random_seed(1)
    x = keras.Input((5,))
    z = choose_cocktail(hp, keras.layers.Dense(4, name="hidden")(x), activation="relu", **arguments)
    return keras_repreg.Model(x, keras.layers.Dense(3, name="output")(z))


def test_every_regularizer_has_its_own_switch_and_strength():
    hp = keras_tuner.HyperParameters()
    assert Cocktail.choose(hp) == Cocktail()
    names = {parameter.name for parameter in hp.space}
    assert names == {
        *(f"regularization_{name}" for name in INGREDIENTS),
        *(f"regularization_{name}_weight" for name in INGREDIENTS if name not in ("Dropout", "BN", "DBN")),
        "regularization_Dropout_rate",
    }
    assert set(hp.values) == {f"regularization_{name}" for name in INGREDIENTS}  # all off: no strength is active
    for parameter in hp.space:
        if parameter.name.endswith(("_weight", "_rate")):
            (condition,) = parameter.conditions
            assert condition.name == parameter.name.rpartition("_")[0]


def test_active_regularizers_are_in_the_model_in_order():
    hp = hyperparameters(Dropout=0.25, cw_CR=2.0, BN=None, L2W=1.0, cw_SIG=0.5, L1R=3.0, L1W=4.0)
    cocktail = Cocktail.choose(hp)
    assert cocktail.name == "L1W + L2W + Dropout + BN + cw-CR + L1R + cw-SIG"
    assert str(cocktail) == "L1W 4 + L2W 1 + Dropout 0.25 + BN + cw-CR 2 + L1R 3 + cw-SIG 0.5"
    assert Cocktail.from_values(hp.values) == cocktail
    model = built(hp)
    assert [layer.name for layer in model.layers[1:]] == [
        "hidden",
        "regularization_BN",
        "regularization_cw-SIG",
        "regularization_activation",
        "regularization_cw-CR",
        "regularization_L1R",
        "regularization_Dropout",
        "regularization",
        "output",
    ]
    assert [model.get_layer(f"regularization_{name}").weight for name in ("cw-CR", "L1R")] == [2.0, 3.0]
    assert model.get_layer("regularization_Dropout").rate == 0.25


def test_losses_contain_all_penalties():
    model = built(hyperparameters(L1W=4.0, L2W=1.0, VR=2.0, cw_VR=3.0))
    x, y = batch(12, 5, 3)
    with keras_repreg.label_scope(y):
        model(ops.convert_to_tensor(x), training=True)
        found = float(ops.convert_to_numpy(sum(model.losses)))
    kernel, bias = (ops.convert_to_numpy(w).astype(float) for w in model.get_layer("hidden").weights)
    z = np.maximum(x.astype(float) @ kernel + bias, 0)
    expected = 4 * np.abs(kernel).mean() + (kernel**2).mean() + 2 * reference.vr(z) / 4
    expected += 3 * reference.classwise(reference.vr)(z, y) / (4 * len(np.unique(y)))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", LATER_NAMES)
def test_later_regularizers_can_be_chosen_by_name(name):
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    x = keras.Input((5,))
    z = choose_regularization(hp, keras.layers.Dense(40)(x), names=[name], activation="relu")
    model = keras_repreg.Model(x, keras.layers.Dense(3)(z))
    kinds = [type(layer).__name__ for layer in model.layers]
    expected = {
        "DBN": "DecorrelatedBatchNormalization",
        "VC": "VCRegularization",
        "SIG": "SIGRegularization",
        "cw-SIG": "ClasswiseSIGRegularization",
    }[name]
    before = kinds.index(expected) < kinds.index("Activation")
    assert before == (name != "VC")
    layer = model.layers[kinds.index(expected)]
    if name == "DBN":
        assert layer.groups == 4  # of ten units; three do not divide
    else:
        assert layer.normalize
    if name == "VC":
        assert layer.variance_weight == layer.covariance_weight == 1.0
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    assert np.isfinite(model.train_on_batch(*batch(12, 5, 3)))


@pytest.mark.parametrize(
    ("regularizations", "error", "message"),
    [
        (("CR",), TypeError, "to be a Regularization. Received: 'CR'"),
        ((Regularization("Baseline"),), ValueError, r"Received: \['Baseline'\]"),
        ((Regularization("BN"), Regularization("BN")), ValueError, "Expected distinct"),
    ],
)
def test_invalid_cocktails_raise(regularizations, error, message):
    with pytest.raises(error, match=message):
        Cocktail(regularizations)


def test_baseline_is_not_an_ingredient():
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match="without Baseline"):
        choose_cocktail(hp, keras.layers.Dense(3)(keras.Input((5,))), names=["Baseline", "BN"])
    assert not hp.space


class Mixed(Scripted):
    """A search over cocktails whose scores are a function of (cocktail's name, execution)."""

    def build(self, hp):
        x = keras.Input((5,))
        z = choose_cocktail(hp, keras.layers.Dense(4, name="hidden")(x), activation="relu", names=self.names)
        model = keras.Model(x, keras.layers.Dense(3)(z))
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"], run_eagerly=True)
        return model

    def fit(self, hp, model, *args, **kwargs):
        name = Cocktail.from_values(hp.values).name
        execution = self.trained.count((name, str(hp.values)))
        self.trained.append((name, str(hp.values)))
        self.kernels.append(ops.convert_to_numpy(model.get_layer("hidden").kernel))
        return {"val_accuracy": self.score(name, execution)}


def test_search_tries_single_ingredients_before_mixtures(tmp_path):
    names = ["BN", "VR", "L1W", "Dropout"]
    space = Mixed(constant, names)
    search = RegularizerSearch(space, directory=tmp_path, max_trials=12, seed=1)
    search.search(X, Y, verbose=0)
    tried = [name for name, _ in space.trained]
    assert tried[:5] == ["Baseline", *names]
    assert any(" + " in name for name in tried[5:])
    values = list(search.tuner.oracle.trials.values())[2].hyperparameters.values
    assert values["regularization_VR_weight"] == 1.0


def test_leaderboard_of_a_cocktail_search(tmp_path):
    def score(name, execution):
        if name == "L1W":
            raise RuntimeError("diverged after 3 steps")
        return 0.5 + 0.1 * ("VR" in name) + 0.001 * execution**2

    space = Mixed(score, ["VR", "L1W"])
    search = RegularizerSearch(space, directory=tmp_path, max_trials=3, executions_per_trial=7)
    search.search(X, Y, verbose=0)
    rows = search.leaderboard()
    assert [row["regularization"] for row in rows] == ["VR 1", "Baseline", "L1W 1"]
    assert [row["status"] for row in rows] == ["completed", "completed", "failed"]
    assert [row["verdict"] for row in rows] == ["best", "worse", ""]
    assert rows[2]["reason"] == "RuntimeError: diverged after 3 steps"
    assert rows[1]["difference"] == pytest.approx(-0.1)
    assert rows[1]["low"] == pytest.approx(-0.1)
    assert search.best_regularization() == Cocktail((Regularization("VR", weight=1.0),))
    rows.to_csv(tmp_path / "board.csv")
    with open(tmp_path / "board.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["regularization"] for row in read] == ["VR 1", "Baseline", "L1W 1"]
    assert (read[2]["score"], read[2]["reason"]) == ("", "RuntimeError: diverged after 3 steps")
    assert rows.rows == [dict(row) for row in rows]
    assert type(rows.rows) is list
    # Execution k of every trial has the same seed, and so the same initial weights.
    np.testing.assert_array_equal(space.kernels[0], space.kernels[7])
    np.testing.assert_array_equal(space.kernels[3], space.kernels[10])
    assert not np.array_equal(space.kernels[0], space.kernels[1])


def test_equal_contenders_are_not_distinguished(tmp_path):
    rng = np.random.default_rng(0)
    space = Scripted(lambda name, execution: 0.9 + 0.01 * rng.normal(), names=["Baseline", "VR", "CR"])
    search = RegularizerSearch(space, directory=tmp_path, max_trials=3, executions_per_trial=5)
    search.search(X, Y, verbose=0)
    assert [row["verdict"] for row in search.leaderboard()] == ["not told apart"] * 3


def test_contenders_are_not_distinguished_without_seeds(tmp_path):
    space = Scripted(lambda name, execution: {"VR": 0.9}.get(name, 0.5) + 0.001 * execution, names=["Baseline", "VR"])
    search = RegularizerSearch(space, directory=tmp_path, max_trials=2, executions_per_trial=9, seed=None)
    search.search(X, Y, verbose=0)
    rows = search.leaderboard()
    assert [row["verdict"] for row in rows] == ["not told apart"] * 2
    assert np.isnan(rows[1]["difference"])
