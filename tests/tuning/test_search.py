"""Search: trials, results, resuming, and invalid input."""

import gc
import sys

import keras
import keras_tuner
import numpy as np
import pytest
from keras import ops

import keras_repreg
from keras_repreg.tuning import NAMES, Leaderboard, Regularization, RegularizerSearch, choose_regularization

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X, Y = np.random.default_rng(0).normal(size=(30, 5)).astype("float32"), np.arange(30) % 3
DATA = {"x": X, "y": Y, "validation_data": (X, Y), "verbose": 0}


def network(hp, names=NAMES, **arguments):
    x = keras.Input((5,))
    z = choose_regularization(hp, keras.layers.Dense(4, name="hidden")(x), activation="relu", names=names, **arguments)
    model = keras.Model(x, keras.layers.Dense(3)(z))
    model.compile("adam", LOSS, metrics=["accuracy"], run_eagerly=True)
    return model


@pytest.fixture(autouse=True, scope="module")
def frozen_garbage():
    # KerasTuner collects garbage before every training, which is slow with many imported modules.
    gc.freeze()
    yield
    gc.unfreeze()


class Scripted(keras_tuner.HyperModel):
    """A search space whose trainings are replaced by a function of (regularization, execution)."""

    def __init__(self, score, names=NAMES, **arguments):
        super().__init__()
        self.score, self.names, self.arguments = score, names, arguments
        self.trained, self.kernels = [], []

    def build(self, hp):
        return network(hp, self.names, **self.arguments)

    def fit(self, hp, model, *args, **kwargs):
        name = hp.get("regularization")
        execution = self.trained.count(name)
        self.trained.append(name)
        self.kernels.append(ops.convert_to_numpy(model.get_layer("hidden").kernel))
        result = {"val_accuracy": self.score(name, execution)}
        for callback in kwargs["callbacks"]:
            callback.set_model(model)
            callback.on_epoch_end(0, result)
        return result


def constant(name, execution):
    return 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("tuner", "names", "arguments"),
    [
        ("random", NAMES, {"max_trials": 13}),
        ("bayesian", NAMES[3:7], {"max_trials": 5, "num_initial_points": 3}),
        ("hyperband", NAMES[1:6], {"max_epochs": 4, "factor": 3}),
        (keras_tuner.RandomSearch, NAMES[:2], {"max_trials": 3}),
    ],
)
def test_every_regularization_is_tried_before_any_twice(tuner, names, arguments, tmp_path):
    space = Scripted(lambda name, execution: 0.5 + NAMES.index(name) / 100, names)
    search = RegularizerSearch(space, tuner=tuner, directory=tmp_path, seed=1, **arguments)
    search.search(X, Y, verbose=0)
    trials = [trial.hyperparameters.values for trial in search.tuner.oracle.trials.values()]
    # Hyperband's later rounds continue earlier trials.
    new = [values for values in trials if "tuner/trial_id" not in values]
    assert tuple(values["regularization"] for values in new[: len(names)]) == names
    assert all(values.get("regularization_weight", 1.0) == 1.0 for values in new[: len(names)])
    assert len(trials) > len(names)
    for values in trials:
        assert ("regularization_weight" in values) == (values["regularization"] not in ("Baseline", "Dropout", "BN"))
        assert ("regularization_rate" in values) == (values["regularization"] == "Dropout")


def test_other_hyperparameters_are_sampled_independently(tmp_path):
    def build(hp):
        hp.Float("rate", 1e-4, 1e-2, sampling="log")
        hp.Choice("sizes", [1, 2])
        return network(hp, ["Baseline", "CR", "L1W"])

    class Space(Scripted):
        def build(self, hp):
            return build(hp)

    search = RegularizerSearch(Space(constant), directory=tmp_path, max_trials=3, seed=1)
    search.search(X, Y, verbose=0)
    values = [trial.hyperparameters.values for trial in search.tuner.oracle.trials.values()]
    assert [v["regularization"] for v in values] == ["Baseline", "CR", "L1W"]
    assert len({v["rate"] for v in values}) == 3
    assert {v["sizes"] for v in values} <= {1, 2}


def test_a_grid_tries_every_weight_of_the_paper_once(tmp_path):
    space = Scripted(constant, names=["Baseline", "Dropout", "CR"], grid=True)
    search = RegularizerSearch(space, tuner="grid", directory=tmp_path)
    search.search(X, Y, verbose=0)
    rows = search.leaderboard(every_trial=True)
    weights = sorted(row["weight"] for row in rows if row["regularization"] == "CR")
    assert weights == [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
    assert sorted(row["rate"] for row in rows if row["regularization"] == "Dropout") == [0.1, 0.3, 0.5, 0.7]
    assert len(rows) == 11


def test_the_leaderboard(tmp_path):
    scores = {"Baseline": (0.5, 0.7), "VR": (0.9, 0.8), "Dropout": (0.6, 0.6)}
    space = Scripted(lambda name, execution: scores[name][execution % 2], names=list(scores))
    search = RegularizerSearch(space, directory=tmp_path, max_trials=5, executions_per_trial=2, seed=1)
    search.search(X, Y, verbose=0)
    rows = search.leaderboard()
    assert [row["regularization"] for row in rows] == ["VR", "Baseline", "Dropout"]
    best = rows[0]
    assert best["score"] == pytest.approx(0.85)
    assert best["score"] == pytest.approx(search.tuner.oracle.get_best_trials(1)[0].score)
    assert best["deviation"] == pytest.approx(np.std([0.9, 0.8], ddof=1))
    assert (best["executions"], best["rate"]) == (2, None)
    assert rows[2]["rate"] is not None
    assert sum(row["trials"] for row in rows) == 5
    every = search.leaderboard(every_trial=True)
    assert sorted(row["trial"] for row in every) == ["0", "1", "2", "3", "4"]
    assert [row["score"] for row in every] == sorted((row["score"] for row in every), reverse=True)
    assert search.best_regularization() == Regularization("VR", weight=best["weight"])
    assert search.best_hyperparameters().get("regularization") == "VR"


def test_an_objective_to_minimize(tmp_path):
    class Space(Scripted):
        def fit(self, hp, model, *args, **kwargs):
            return {"val_cross_entropy": {"Baseline": 3.0, "VR": 2.0, "BN": 4.0}[hp.get("regularization")]}

    search = RegularizerSearch(
        Space(constant, names=["Baseline", "VR", "BN"]),
        objective=keras_tuner.Objective("val_cross_entropy", "min"),
        directory=tmp_path,
        max_trials=3,
    )
    search.search(X, Y, verbose=0)
    assert [row["score"] for row in search.leaderboard()] == [2.0, 3.0, 4.0]


def test_failed_trials_come_last(tmp_path):
    def score(name, execution):
        if name == "Baseline":
            raise RuntimeError("diverged")
        return 0.5

    search = RegularizerSearch(Scripted(score, names=["Baseline", "VR"]), directory=tmp_path, max_trials=2)
    search.search(X, Y, verbose=0)
    rows = search.leaderboard()
    assert [row["regularization"] for row in rows] == ["VR", "Baseline"]
    assert np.isnan(rows[1]["score"])
    assert rows[1]["executions"] == 0
    assert search.best_regularization().name == "VR"


def test_interrupted_search_resumes(tmp_path):
    def interrupted(name, execution):
        if name == "L1R":
            raise KeyboardInterrupt
        return 0.5

    names = ["Baseline", "VR", "L1R", "BN"]
    search = RegularizerSearch(Scripted(interrupted, names), directory=tmp_path, max_trials=4)
    with pytest.raises(KeyboardInterrupt):
        search.search(X, Y, verbose=0)

    space = Scripted(constant, names)
    search = RegularizerSearch(space, directory=tmp_path, max_trials=4)
    assert [row["regularization"] for row in search.leaderboard()] == ["Baseline", "VR"]
    search.search(X, Y, verbose=0)
    assert space.trained == ["L1R", "BN"]

    search = RegularizerSearch(space, directory=tmp_path, max_trials=4)
    search.search(X, Y, verbose=0)
    assert len(search.leaderboard()) == 4
    assert space.trained == ["L1R", "BN"]
    search = RegularizerSearch(space, directory=tmp_path, max_trials=4, overwrite=True)
    assert search.leaderboard() == []


def test_seeds_are_those_of_the_executions(tmp_path):
    space = Scripted(constant, names=["Baseline", "VR"])
    search = RegularizerSearch(space, directory=tmp_path, max_trials=2, executions_per_trial=2, seed=5)
    search.search(X, Y, verbose=0)
    first, second, again, _ = space.kernels
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_networks_are_trained_with_labels_and_restored_at_their_best(tmp_path):
    names = ["cw-VR", "BN", "L1W"]
    search = RegularizerSearch(lambda hp: network(hp, names), directory=tmp_path, max_trials=3, seed=1)
    search.search(**DATA, epochs=2)
    rows = search.leaderboard(characteristics=True, data=X)
    assert {row["regularization"] for row in rows} == set(names)
    assert all(row["executions"] == 1 for row in rows)
    model = search.best_model()
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(rows[0]["score"])
    measured = keras_repreg.measure(model, X, "regularization")["regularization"]
    assert {name: rows[0][name] for name in measured} == measured
    assert measured["sparsity"] > 0
    hidden = search.leaderboard(characteristics=True, data=X, layer="hidden")
    assert hidden[0]["sparsity"] == 0  # before the ReLU


@pytest.mark.slow
def test_regularizer_suited_to_the_task_wins(tmp_path):
    # The target depends on one of forty inputs, so shrinking the other inputs' weights helps with few samples.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1024, 40)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")

    def build(hp):
        inputs = keras.Input((40,))
        z = choose_regularization(hp, keras.layers.Dense(2)(inputs), names=["Baseline", "Dropout", "L1W"])
        model = keras.Model(inputs, z)
        model.compile(keras.optimizers.Adam(0.1), LOSS, metrics=["accuracy"], run_eagerly=True)
        return model

    search = RegularizerSearch(build, directory=tmp_path, max_trials=3, seed=0)
    search.search(x[:60], y[:60], validation_data=(x[60:], y[60:]), batch_size=1024, epochs=30, verbose=0)
    first, second, _ = search.leaderboard()
    assert first["regularization"] == search.best_regularization().name == "L1W"
    assert first["score"] > second["score"] + 0.05


def test_leaderboard_without_trials():
    assert str(Leaderboard()) == "no trials"


@pytest.mark.parametrize(
    "objective", ["val_loss", "loss", keras_tuner.Objective("val_loss", "min"), ["val_accuracy", "val_loss"]]
)
def test_loss_including_penalties_is_rejected_as_objective(objective):
    with pytest.raises(ValueError, match="without the penalties.*Received: objective='(val_)?loss'"):
        RegularizerSearch(network, objective=objective)


@pytest.mark.parametrize(
    ("build", "arguments", "error", "message"),
    [
        (network, {"tuner": "evolution"}, ValueError, "Received: tuner='evolution'"),
        (network, {"tuner": keras.Model}, TypeError, "class of a KerasTuner tuner"),
        ("network", {}, TypeError, "Received: build='network'"),
        (network, {"tuner": "hyperband", "max_trials": 3}, ValueError, "Received: max_trials=3"),
        (network, {"prefix": "other"}, ValueError, "`prefix='other'`. Received: hyperparameters .'regularization'"),
        (lambda hp: keras.Sequential(), {}, ValueError, r"Received: hyperparameters \[\]"),
    ],
)
def test_invalid_arguments_raise(build, arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        RegularizerSearch(build, directory=tmp_path, **arguments)


def test_too_few_trials_warn(tmp_path):
    with pytest.warns(UserWarning, match="max_trials=5 leaves some of the 12 regularizations untried"):
        RegularizerSearch(network, directory=tmp_path, max_trials=5)


def test_missing_validation_data_or_trials_raise(tmp_path):
    search = RegularizerSearch(lambda hp: network(hp, ["BN"]), directory=tmp_path, max_trials=1)
    with pytest.raises(ValueError, match=r"Expected `validation_data`.*Received: \['epochs'\]"):
        search.search(X, Y, epochs=1)
    with pytest.raises(ValueError, match="Received: data=None"):
        search.leaderboard(characteristics=True)
    for method in (search.best_model, search.best_hyperparameters, search.best_regularization):
        with pytest.raises(ValueError, match="Expected a finished trial"):
            method()


def test_unlogged_objective_ends_the_search(tmp_path):
    objective = keras_tuner.Objective("val_f_score", "max")
    search = RegularizerSearch(lambda hp: network(hp, ["BN"]), objective=objective, directory=tmp_path, max_trials=1)
    with pytest.raises(keras_tuner.errors.FatalValueError, match="Received: objective=.*val_f_score.*'val_accuracy'"):
        search.search(**DATA)


def test_missing_keras_tuner_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_repreg.tuning.trials", None)
    with pytest.raises(ImportError, match=r"keras-repreg\[tuner\]"):
        RegularizerSearch(network)
