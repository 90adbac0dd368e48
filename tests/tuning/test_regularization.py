"""The twelve regularizers selected by hyperparameters: what each adds to a model, and invalid input."""

import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pytest
from keras import ops

import keras_repreg
from keras_repreg import regularizer_set
from keras_repreg.tuning import NAMES, Regularization, choose_regularization
from tests import reference
from tests.layers.cases import batch

PLAIN = {
    "Baseline": keras.layers.Identity,
    "L1W": keras.layers.Identity,
    "L2W": keras.layers.Identity,
    "Dropout": keras.layers.Dropout,
    "BN": keras.layers.BatchNormalization,
}
# Layer, Omega of Table 5, and its divisor for N samples of M units in K classes.
PENALTIES = {
    "CR": (keras_repreg.CovarianceRegularization, reference.cr, lambda n, m, k: m * (m - 1)),
    "cw-CR": (keras_repreg.ClasswiseCovarianceRegularization, reference.cr, lambda n, m, k: m * (m - 1) * k),
    "VR": (keras_repreg.VarianceRegularization, reference.vr, lambda n, m, k: m),
    "cw-VR": (keras_repreg.ClasswiseVarianceRegularization, reference.vr, lambda n, m, k: m * k),
    "L1R": (keras_repreg.L1Regularization, reference.l1r, lambda n, m, k: n * m),
    "RR": (keras_repreg.RankRegularization, reference.holder_rank, lambda n, m, k: 1),
    "cw-RR": (keras_repreg.ClasswiseRankRegularization, reference.holder_rank, lambda n, m, k: 1),
}


def hyperparameters(name, **strength):
    hp = keras_tuner.HyperParameters()
    hp.values = {"regularization": name, **{f"regularization_{key}": value for key, value in strength.items()}}
    return hp


def chosen(name, activation="relu", **arguments):
    """Return a model with one hidden layer, regularized by hyperparameters."""
    keras.utils.set_random_seed(1)
    strength = {"Baseline": {}, "BN": {}, "Dropout": {"rate": 0.25}}.get(name, {"weight": 3.0})
    x = keras.Input((5,))
    z = keras.layers.Dense(4, name="hidden")(x)
    z = choose_regularization(hyperparameters(name, **strength), z, activation=activation, **arguments)
    return keras_repreg.Model(x, keras.layers.Dense(3, name="output")(z))


def penalty(model, x, y):
    with keras_repreg.label_scope(y):
        model(ops.convert_to_tensor(x), training=True)
        return float(ops.convert_to_numpy(sum(model.losses))) if model.losses else 0.0


def test_names_are_in_the_papers_order():
    assert NAMES == ("Baseline", "L1W", "L2W", "Dropout", "BN", "CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
    assert PLAIN.keys() | PENALTIES.keys() == regularizer_set.REGULARIZERS.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_that_is_added(name):
    layer = chosen(name, activation=None).get_layer("regularization")
    assert type(layer) is (PLAIN.get(name) or PENALTIES[name][0])
    if name in PENALTIES:
        assert layer.weight == 3.0
    if name == "Dropout":
        assert layer.rate == 0.25


@pytest.mark.parametrize("name", NAMES)
def test_the_penalty_in_the_losses(name):
    model = chosen(name)
    x, y = batch(12, 5, 3)
    if name in PENALTIES:
        _, omega, divisor = PENALTIES[name]
        weights = [ops.convert_to_numpy(w).astype(float) for w in model.get_layer("hidden").weights]
        z = np.maximum(x.astype(float) @ weights[0] + weights[1], 0)
        classes = [z[y == k] for k in np.unique(y)] if name.startswith("cw-") else [z]
        expected = 3.0 * sum(omega(part) for part in classes) / divisor(12, 4, len(classes))
    else:
        kernel = ops.convert_to_numpy(model.get_layer("hidden").kernel)
        expected = {"L1W": 3.0 * np.mean(np.abs(kernel)), "L2W": 3.0 * np.mean(kernel**2)}.get(name, 0.0)
    assert penalty(model, x, y) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_one_step_of_training_and_the_same_function_at_inference(name):
    model, baseline = chosen(name), chosen("Baseline")
    x, y = batch(12, 5, 3)
    if name != "BN":
        model.set_weights(baseline.get_weights())
        np.testing.assert_allclose(
            ops.convert_to_numpy(model(x)), ops.convert_to_numpy(baseline(x)), rtol=1e-5, atol=1e-6
        )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    before = [ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    model.train_on_batch(x, y)
    after = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    assert all(np.isfinite(w).all() for w in after)
    assert not np.array_equal(before[0], after[0])


def test_batch_normalization_precedes_the_given_activation():
    model = chosen("BN")
    layers = [type(layer).__name__ for layer in model.layers]
    assert layers == ["InputLayer", "Dense", "BatchNormalization", "Activation", "Dense"]
    assert model.layers[3].name == "regularization"
    assert [type(layer).__name__ for layer in chosen("CR").layers[2:4]] == ["Activation", "CovarianceRegularization"]


@pytest.mark.parametrize("grid", [False, True])
def test_strengths_are_registered_under_the_condition_of_their_names(grid):
    hp = keras_tuner.HyperParameters()
    assert Regularization.choose(hp, grid=grid) == Regularization("Baseline")
    name, weight, rate = hp.space
    assert (name.name, weight.name, rate.name) == ("regularization", "regularization_weight", "regularization_rate")
    assert tuple(name.values) == NAMES
    assert set(weight.conditions[0].values) == set(NAMES) - {"Baseline", "Dropout", "BN"}
    assert rate.conditions[0].values == ["Dropout"]
    assert hp.values == {"regularization": "Baseline"}
    if grid:
        assert tuple(weight.values) == regularizer_set.GRID
        assert len(rate.values) == 4
    else:
        assert (weight.min_value, weight.max_value, weight.sampling) == (0.001, 100, "log")
        assert (rate.min_value, rate.max_value) == (0.1, 0.7)


def test_hyperparameters_select_the_regularizer():
    assert Regularization.choose(hyperparameters("cw-RR", weight=7.0)) == Regularization("cw-RR", weight=7.0)
    assert Regularization.choose(hyperparameters("Dropout", rate=0.3)) == Regularization("Dropout", rate=0.3)


def test_names_and_prefixes_select_and_name_layers():
    hp = keras_tuner.HyperParameters()
    x = keras.Input((5,))
    z = choose_regularization(hp, keras.layers.Dense(4)(x), names=["BN", "Baseline"], prefix="first")
    z = choose_regularization(hp, keras.layers.Dense(4)(z), names=["VR"], prefix="second")
    model = keras.Model(x, z)
    assert type(model.get_layer("first")) is keras.layers.BatchNormalization
    assert model.get_layer("second").weight == 1.0
    assert hp.values == {"first": "BN", "second": "VR", "second_weight": 1.0}


def test_labels_can_be_a_separate_input():
    x, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    z = choose_regularization(hyperparameters("cw-VR", weight=2.0), keras.layers.Dense(4)(x), labels)
    model = keras.Model([x, labels], z)
    x, y = batch(12, 5, 3)
    z = ops.convert_to_numpy(model([x, y])).astype(float)
    expected = 2.0 * sum(reference.vr(z[y == k]) for k in np.unique(y)) / (4 * len(np.unique(y)))
    assert float(ops.convert_to_numpy(model.losses[0])) == pytest.approx(expected, rel=1e-4)


def test_label_key_is_passed_on():
    assert chosen("cw-CR", label_key="kind").get_layer("regularization").label_key == "kind"


def test_the_kernel_before_other_layers_is_penalized_and_saved(tmp_path):
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(3, 2, name="kernel")(inputs)
    for layer in (keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.GlobalMaxPooling2D()):
        x = layer(x)
    model = keras.Model(inputs, Regularization("L2W", weight=6.0)(keras.layers.Dropout(0.5)(x)))
    kernel = ops.convert_to_numpy(model.get_layer("kernel").kernel)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert float(ops.convert_to_numpy(sum(each.losses))) == pytest.approx(6.0 * np.mean(kernel**2), rel=1e-5)


def test_any_tensor_is_accepted_without_weight_norms():
    x = keras.Input((5,))
    z = keras.layers.Add()([x, keras.layers.Dense(5, kernel_regularizer="l2")(x)])
    z = choose_regularization(hyperparameters("VR", weight=1.0), z, names=["VR", "BN"])
    assert keras.Model(x, z).get_layer("regularization").weight == 1.0


@pytest.mark.parametrize("name", ["Baseline", "L1W"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x, "layer with a kernel"),
        (lambda x: keras.layers.Add()([x, keras.layers.Dense(5)(x)]), "layer with a kernel.*Received: the output of"),
        (lambda x: keras.layers.Dense(5, name="mine", kernel_regularizer="l1")(x), "'mine' with <.*L1"),
    ],
)
def test_tensors_without_a_free_kernel_raise_before_anything_is_registered(name, make, message):
    hp = hyperparameters(name, weight=1.0)
    with pytest.raises(ValueError, match=message):
        choose_regularization(hp, make(keras.Input((5,))))
    assert not hp.space


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"names": []}, ValueError, r"distinct names from .*Received: names=\[\]"),
        ({"names": ["CR", "CR"]}, ValueError, "distinct names from"),
        ({"names": ["CR", "DeCov"]}, ValueError, "DeCov"),
        ({"prefix": ""}, ValueError, "Received: prefix=''"),
        ({"hp": {"regularization": "CR"}}, TypeError, "HyperParameters. Received: hp="),
        ({"x": np.ones((2, 3))}, TypeError, "symbolic tensor"),
        ({"x": keras.KerasTensor((None, 4, 4, 3))}, ValueError, r"Received: x.shape=\(None, 4, 4, 3\)"),
    ],
)
def test_invalid_arguments_raise(arguments, error, message):
    given = {"hp": keras_tuner.HyperParameters(), "x": keras.layers.Dense(3)(keras.Input((5,))), **arguments}
    with pytest.raises(error, match=message):
        choose_regularization(**given)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("DeCov",), ValueError, "Received: name='DeCov'"),
        (("CR",), ValueError, "Expected a `weight` for CR"),
        (("CR", -1.0), ValueError, "Received: weight=-1.0"),
        (("CR", float("nan")), ValueError, "Received: weight=nan"),
        (("CR", "1"), TypeError, "Received: weight='1'"),
        (("CR", True), TypeError, "Received: weight=True"),
        (("BN", 1.0), ValueError, "Expected no `weight`, because BN has none"),
        (("CR", 1.0, 0.5), ValueError, "Expected no `rate`, because CR has none"),
        (("Dropout",), ValueError, "Expected a `rate` for Dropout"),
        (("Dropout", None, 1.0), ValueError, r"`rate` in \[0, 1\)"),
    ],
)
def test_invalid_strengths_raise(arguments, error, message):
    with pytest.raises(error, match=message):
        Regularization(*arguments)


@pytest.mark.slow
def test_module_imports_without_keras_tuner():
    code = (
        "import sys\n"
        "sys.modules['keras_tuner'] = None\n"
        "import keras_repreg.tuning\n"
        "assert 'keras_repreg.tuning.trials' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
