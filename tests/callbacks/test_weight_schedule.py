"""Loss weights change in a compiled training step without recompilation."""

import pickle

import keras
import numpy as np
import pytest

import keras_repreg

BACKEND = keras.backend.backend()


class Counting(keras_repreg.layers.RepresentationRegularization):
    """A penalty of 1 that counts how often it is traced."""

    traces = 0

    def omega(self, z):
        Counting.traces += 1
        return keras.ops.sum(0 * z) + 1.0


def network(weight=0.5, **compile_arguments):
    layer = Counting(weight, name="regularizer")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), layer, keras.layers.Dense(3)])
    model.compile("sgd", "mse", **compile_arguments)
    return model


def fit(model, schedule, epochs=4, samples=60, batch_size=20, **arguments):
    x = np.random.default_rng(0).normal(size=(samples, 5)).astype("float32")
    callbacks = [schedule, keras_repreg.PenaltyLogger()]
    return model.fit(
        x, x[:, :3], epochs=epochs, batch_size=batch_size, callbacks=callbacks, verbose=0, **arguments
    ).history["regularizer_penalty"]  # fmt: skip


FACTORS = [0.0, 0.5, 1.0, 4.0]


@pytest.mark.parametrize("arguments", [{"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_each_epoch_has_its_factor(arguments):
    if BACKEND == "torch" and arguments.get("jit_compile"):
        pytest.skip("does not compile on PyTorch")
    model = network(**arguments)
    found = fit(model, keras_repreg.WeightSchedule(FACTORS.__getitem__))
    assert found == pytest.approx([0.5 * factor for factor in FACTORS], abs=1e-6)
    assert model.get_layer("regularizer").weight == 0.5


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs eagerly")
@pytest.mark.parametrize("per", ["epoch", "batch"])
def test_nothing_is_recompiled(per):
    traces = []
    for epochs in (1, 4):
        model = network()
        Counting.traces = 0
        fit(model, keras_repreg.WeightSchedule(lambda index: 1.0 / (index + 1), per=per), epochs=epochs)
        traces.append(Counting.traces)
    assert traces[0] == traces[1] > 0


def test_each_batch_has_its_factor():
    model = network()
    # An epoch has two batches; the log has the mean of their factors.
    found = fit(model, keras_repreg.WeightSchedule(float, per="batch"), epochs=3, samples=40)
    assert found == pytest.approx([0.5 * (0 + 1) / 2, 0.5 * (2 + 3) / 2, 0.5 * (4 + 5) / 2], abs=1e-6)
    # Each `fit` restarts the schedule.
    found = fit(model, keras_repreg.WeightSchedule(float, per="batch"), epochs=1, samples=40)
    assert found == pytest.approx([0.25], abs=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="not supported on PyTorch")
@pytest.mark.skipif(keras.__version__.startswith("3.10."), reason="reports executions, not batches")
def test_steps_per_execution():
    model = network(steps_per_execution=2)
    found = fit(model, keras_repreg.WeightSchedule(float, per="batch"), epochs=2, samples=80)
    assert found == pytest.approx([0.5 * (0 + 0 + 2 + 2) / 4, 0.5 * (4 + 4 + 6 + 6) / 4], abs=1e-6)


def test_training_follows_the_factor():
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")

    def weights(weight, callbacks):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((5,)),
                keras.layers.Dense(4),
                keras_repreg.VarianceRegularization(weight),
                keras.layers.Dense(3),
            ]
        )
        model.compile("sgd", "mse")
        model.fit(x, x[:, :3], epochs=3, verbose=0, shuffle=False, callbacks=callbacks)
        return model.get_weights()

    for one, other in zip(
        weights(0.25, []), weights(0.5, [keras_repreg.WeightSchedule(lambda epoch: 0.5)]), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_variable_is_not_a_weight(tmp_path):
    plain, model = network(), network()
    plain.get_layer("regularizer")(np.ones((2, 4), "float32"))
    plain.save_weights(tmp_path / "plain.weights.h5")
    fit(model, keras_repreg.WeightSchedule(lambda epoch: 0.25))
    assert len(model.get_weights()) == 4
    assert model.count_params() == plain.count_params()
    assert model.get_layer("regularizer").count_params() == 0
    model.load_weights(tmp_path / "plain.weights.h5")
    model.save_weights(tmp_path / "model.weights.h5")
    plain.load_weights(tmp_path / "model.weights.h5")
    # The last factor is kept, but clones do not copy it.
    x = np.zeros((4, 5), "float32")
    y = model.predict(x, verbose=0)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.5 * 0.25, rel=1e-4)
    twin = keras.models.clone_model(model)
    twin.compile("sgd", "mse")
    twin.set_weights(model.get_weights())
    assert twin.evaluate(x, y, verbose=0) == pytest.approx(0.5, rel=1e-4)


def test_half_precision_does_not_round_the_factor():
    model = network(weight=1.0)
    model.get_layer("regularizer").dtype_policy = keras.DTypePolicy("mixed_float16")
    found = fit(model, keras_repreg.WeightSchedule(lambda epoch: 1e-9), epochs=1)
    assert found == pytest.approx([1e-9], rel=1e-4)


def test_selected_layers_only():
    layers = [keras_repreg.L1Regularization(name=name) for name in ("one", "two")]
    model = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(5)])
    model.compile("sgd", "mse")
    x = np.ones((4, 5), "float32")
    schedule = keras_repreg.WeightSchedule(lambda epoch: 0.0, layers=["two"])
    history = model.fit(x, x, verbose=0, callbacks=[schedule, keras_repreg.PenaltyLogger()]).history
    assert history["one_penalty"][0] == pytest.approx(0.2)
    assert history["two_penalty"] == [0.0]


def test_works_in_a_custom_training_loop():
    layer = keras_repreg.L1Regularization(1.0)
    layer.weight_factor.make_variable()
    z = np.ones((2, 2), "float32")
    for factor in (0.0, 0.5, 2.0):
        layer.weight_factor.assign(factor)
        layer(z)
        assert float(layer.losses[0]) == 4 * factor


def test_invalid_arguments_raise():
    with pytest.raises(TypeError, match="Received: 0.5"):
        keras_repreg.WeightSchedule(0.5)
    with pytest.raises(ValueError, match="Received: per='step'"):
        keras_repreg.WeightSchedule(float, per="step")
    with pytest.raises(ValueError, match="Received: length=0"):
        keras_repreg.linear_warm_up(0)
    with pytest.raises(TypeError, match="Received: length=2.5"):
        keras_repreg.linear_warm_up(2.5)
    with pytest.raises(ValueError, match="Received: start=-1"):
        keras_repreg.linear_warm_up(2, start=-1)
    with pytest.raises(ValueError, match="make_variable.*Received: value=0.5"):
        keras_repreg.L1Regularization().weight_factor.assign(0.5)
    for factor, error in ((-1.0, ValueError), (float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match=r"Received: schedule\(0\)="):
            fit(network(), keras_repreg.WeightSchedule(lambda epoch, factor=factor: factor))


def test_resumed_training_continues_the_schedule():
    seen = []

    def schedule(index):
        seen.append(index)
        return 1.0

    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5), keras_repreg.L1Regularization(0.1)])
    model.compile("sgd", "mse")
    x = np.ones((6, 5), "float32")
    fit = {
        "batch_size": 2,
        "epochs": 3,
        "verbose": 0,
        "callbacks": [keras_repreg.WeightSchedule(schedule, per="batch")],
    }
    model.fit(x, x, **fit)
    assert seen == list(range(9))
    seen.clear()
    model.fit(x, x, initial_epoch=1, **fit)
    assert seen == list(range(3, 9))
    seen.clear()

    def forever():
        while True:
            yield x[:2], x[:2]

    model.fit(forever(), initial_epoch=2, steps_per_epoch=2, epochs=3, verbose=0, callbacks=fit["callbacks"])
    assert seen == [4, 5]


def test_backup_and_restore_continues_the_schedule(tmp_path):
    seen = []

    def schedule(index):
        seen.append(index)
        return 1.0

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5), keras_repreg.L1Regularization(0.1)])
    model.compile("sgd", "mse")
    x = np.ones((6, 5), "float32")

    def callbacks():
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return [backup, keras_repreg.WeightSchedule(schedule, per="batch")]

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, x, batch_size=2, epochs=4, verbose=0, callbacks=[*callbacks(), Stop()])
    seen.clear()
    model.fit(x, x, batch_size=2, epochs=4, verbose=0, callbacks=callbacks())
    assert seen == list(range(6, 12))


def test_schedules_can_be_pickled():
    schedule = keras_repreg.WeightSchedule(keras_repreg.linear_warm_up(4, 0.5))
    copied = pickle.loads(pickle.dumps(schedule))
    assert [copied._schedule(epoch) for epoch in range(5)] == [0.5, 0.625, 0.75, 0.875, 1.0]


def test_callbacks_can_be_shared_with_a_model_without_penalties():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile("sgd", "mse")
    x = np.ones((4, 5), "float32")
    for per in ("epoch", "batch"):
        schedule = keras_repreg.WeightSchedule(lambda index: 0.5, per=per)
        assert list(model.fit(x, x, verbose=0, callbacks=[schedule]).history) == ["loss"]
