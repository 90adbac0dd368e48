"""PenaltyLogger: correct values, visible to every callback, and no trace afterwards."""

import csv

import keras
import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CASES

BACKEND = keras.backend.backend()
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def data(samples=48):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 5)).astype("float32"), rng.integers(0, 3, samples).astype("int32")


def network(case, weight=0.5, kind=keras_repreg.Sequential):
    return kind(
        [
            keras.Input((5,)),
            keras.layers.Dense(12, activation="relu", name="hidden"),
            case.make(weight, name="regularizer"),
            keras.layers.Dense(3, name="logits"),
        ]
    )


def compiled(model, **arguments):
    # With a learning rate of 0, every epoch has the penalty of the initial weights.
    model.compile(keras.optimizers.SGD(0.0), LOSS, **arguments)
    return model


def expected_penalty(model, case, x, y, batch_size=20):
    """Return the mean over batches, weighted by their samples, by the paper's formula."""
    z = keras.Model(model.inputs, model.get_layer("hidden").output).predict(x, verbose=0)
    parts = [slice(start, start + batch_size) for start in range(0, len(x), batch_size)]
    return 0.5 * np.average([case.oracle(z[p], y[p]) for p in parts], weights=[len(z[p]) for p in parts])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_logged_value_is_the_penalty(case):
    x, y = data()
    model = compiled(network(case))
    history = model.fit(
        x, y, batch_size=20, epochs=2, verbose=0, shuffle=False,
        validation_data=(x[:30], y[:30]), callbacks=[keras_repreg.PenaltyLogger()],
    ).history  # fmt: skip
    assert set(history) == {"loss", "regularizer_penalty", "val_loss", "val_regularizer_penalty"}
    if "seed" not in case.arguments:  # its directions change in each training step
        assert history["regularizer_penalty"] == pytest.approx([expected_penalty(model, case, x, y)] * 2, rel=1e-4)
    of_validation = expected_penalty(model, case, x[:30], y[:30])
    assert history["val_regularizer_penalty"] == pytest.approx([of_validation] * 2, rel=1e-4)
    # The loss minus the penalties is the cross-entropy.
    cross_entropy = float(LOSS(y, model.predict(x, verbose=0)))
    assert history["loss"][0] - history["regularizer_penalty"][0] == pytest.approx(cross_entropy, rel=1e-4)


OPTIONS = [
    {"run_eagerly": True},
    {"jit_compile": True},
    {"steps_per_execution": 2},
    {"metrics": ["accuracy"]},
]


@pytest.mark.parametrize("arguments", OPTIONS, ids=str)
def test_compile_options_give_the_same_result(arguments):
    if BACKEND == "torch" and not {"run_eagerly", "metrics"} & set(arguments):
        pytest.skip("not supported on PyTorch")
    case, (x, y) = CASES[0], data()
    model = compiled(network(case, kind=keras.Sequential), **arguments)
    logger = keras_repreg.PenaltyLogger()
    history = model.fit(
        x, y, batch_size=20, verbose=0, shuffle=False, validation_data=(x, y), callbacks=[logger]
    ).history
    expected = expected_penalty(model, case, x, y)
    assert history["regularizer_penalty"] == pytest.approx([expected], rel=1e-4)
    assert history["val_regularizer_penalty"] == pytest.approx([expected], rel=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    # Their mean in float16 would be infinite.
    x, y = data()
    case = CASES[0]
    keras.config.set_dtype_policy(policy)
    try:
        model = compiled(network(case))
        model.get_layer("hidden").set_weights([np.full((5, 12), 20.0), np.zeros(12)])
        history = model.fit(x, y, verbose=0, batch_size=48, callbacks=[keras_repreg.PenaltyLogger()]).history
    finally:
        keras.config.set_dtype_policy("float32")
    z = np.maximum(x @ np.full((5, 12), 20.0), 0)
    assert history["regularizer_penalty"][0] == pytest.approx(0.5 * case.oracle(z, y), rel=0.03)
    assert history["regularizer_penalty"][0] > 65504


def test_every_callback_sees_the_penalty(tmp_path):
    x, y = data()

    class Seen(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epoch = []

        def on_epoch_end(self, epoch, logs=None):
            self.epoch.append(set(logs))

    before, after = Seen(), Seen()
    stopping = keras.callbacks.EarlyStopping("val_regularizer_penalty", patience=0, mode="min")
    writer = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    model = compiled(network(CASES[0]))
    callbacks = [before, stopping, writer, keras_repreg.PenaltyLogger(), after]
    history = model.fit(x, y, epochs=9, batch_size=16, verbose=0, validation_data=(x, y), callbacks=callbacks)
    assert len(history.epoch) == 2  # the metric never improves
    assert before.epoch == after.epoch
    assert {"regularizer_penalty", "val_regularizer_penalty"} <= before.epoch[0]
    with open(tmp_path / "log.csv") as file:
        assert "val_regularizer_penalty" in next(csv.reader(file))


def test_model_without_the_callback_logs_and_saves_as_before(tmp_path):
    x, y = data()
    model = compiled(network(CASES[0]))
    expected = model.evaluate(x, y, verbose=0)
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "model.keras"))
    model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger(), checkpoint])
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected)  # a number, not a list
    assert [metric.name for metric in model.metrics] == ["loss"]
    assert len(model.weights) == 4
    assert list(model.fit(x, y, verbose=0).history) == ["loss"]
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(expected)


def test_label_aware_models_stay_label_aware():
    x, y = data()
    case = CASES[1]
    model = compiled(keras_repreg.label_aware(network(case, kind=keras.Sequential)))
    for _ in range(2):
        history = model.fit(x, y, batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
        expected = expected_penalty(model, case, x, y, 48)
        assert history["regularizer_penalty"] == pytest.approx([expected], rel=1e-4)
    model.fit(x, y, verbose=0)


def test_next_fit_is_correct_after_an_exception():
    x, y = data()

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = compiled(network(CASES[0]))
    logger = keras_repreg.PenaltyLogger()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[logger, Interrupt()])
    history = model.fit(x, y, batch_size=48, verbose=0, callbacks=[logger]).history
    expected = expected_penalty(model, CASES[0], x, y, 48)
    assert history["regularizer_penalty"] == pytest.approx([expected], rel=1e-4)
    assert [metric.name for metric in model.metrics] == ["loss"]


def test_evaluate():
    x, y = data()
    model = compiled(network(CASES[0]))
    logger = keras_repreg.PenaltyLogger()
    found = model.evaluate(x, y, batch_size=20, verbose=0, return_dict=True, callbacks=[logger])
    assert found["regularizer_penalty"] == pytest.approx(expected_penalty(model, CASES[0], x, y), rel=1e-4)
    assert list(model.evaluate(x, y, verbose=0, return_dict=True)) == ["loss"]


def test_models_within_models_shared_layers_and_several_penalties():
    x, y = data()
    shared = keras_repreg.L1Regularization(1.0, name="same")

    def part(name):
        inputs = keras.Input((5,))
        return keras.Model(inputs, keras_repreg.L1Regularization(1.0, name="same")(inputs), name=name)

    inputs = keras.Input((5,))
    a = shared(shared(inputs))  # twice
    b = part("first")(inputs)
    c = part("second")(inputs)
    model = compiled(keras.Model(inputs, keras.layers.Dense(3)(a + b + c)))
    logger = keras_repreg.PenaltyLogger()
    history = model.fit(x, y, batch_size=48, verbose=0, callbacks=[logger]).history
    sums = sorted(history[name][0] for name in ("same_penalty", "same_penalty_1", "same_penalty_2"))
    once = np.abs(x).sum()
    assert sums == pytest.approx([once, once, 2 * once], rel=1e-5)


def test_selected_layers_only():
    x, y = data()
    model = compiled(
        keras.Sequential(
            [
                keras.Input((5,)),
                keras_repreg.L1Regularization(0.1, name="one"),
                keras_repreg.L1Regularization(0.1, name="two"),
                keras.layers.Dense(3, name="logits"),
            ]
        )
    )
    history = model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger("two")]).history
    assert set(history) == {"loss", "two_penalty"}
    with pytest.raises(TypeError, match="Received: .*logits"):
        model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger(["one", "logits"])])
    with pytest.raises(ValueError, match="Received: 'three'"):
        model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger("three")])
    plain = compiled(keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="logits")]))
    # The same callbacks can be used for a baseline.
    assert set(plain.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history) == {"loss"}
    assert not {"train_step", "make_train_function"} & set(vars(plain))


@pytest.mark.parametrize("arguments", [{}, {"run_eagerly": True}], ids=str)
def test_model_built_by_its_first_step(arguments):
    """Keras calls such a model once more to build it, on placeholder data."""

    class Own(keras_repreg.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(12, activation="relu", name="hidden")
            self.regularizer = CASES[0].make(0.5, name="regularizer")
            self.logits = keras.layers.Dense(3, name="logits")

        def call(self, x, training=None):
            return self.logits(self.regularizer(self.hidden(x), training=training))

    x, y = data()
    model = compiled(Own(), **arguments)
    history = model.fit(
        x, y, batch_size=48, epochs=2, verbose=0, validation_data=(x, y), callbacks=[keras_repreg.PenaltyLogger()]
    ).history
    expected = 0.5 * CASES[0].oracle(keras.ops.convert_to_numpy(model.hidden(x)), y)
    assert history["regularizer_penalty"] == pytest.approx([expected] * 2, rel=1e-4)
    assert history["val_regularizer_penalty"] == pytest.approx([expected] * 2, rel=1e-4)


def test_custom_steps_and_losses_are_kept():
    x, y = data()

    class Own(keras_repreg.Sequential):
        steps = 0

        def train_step(self, *args, **kwargs):
            type(self).steps += 1
            return super().train_step(*args, **kwargs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight, training=training)

    model = compiled(network(CASES[0], kind=Own))
    plain = compiled(network(CASES[0]))
    plain.set_weights(model.get_weights())
    logger = keras_repreg.PenaltyLogger()
    history = model.fit(x, y, batch_size=48, verbose=0, callbacks=[logger]).history
    assert Own.steps > 0
    assert history["loss"][0] == pytest.approx(2 * plain.evaluate(x, y, batch_size=48, verbose=0), rel=1e-4)
    assert history["regularizer_penalty"][0] == pytest.approx(expected_penalty(model, CASES[0], x, y, 48), rel=1e-4)


def two_penalties():
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(12, activation="relu"),
        keras_repreg.RankRegularization(0.1, name="one"),
        keras_repreg.L1Regularization(0.1, name="two"),
        keras.layers.Dense(3),
    ]
    return compiled(keras.Sequential(layers))


def test_two_loggers_in_one_fit_log_what_each_asks_for():
    x, y = data()
    model = two_penalties()
    loggers = [keras_repreg.PenaltyLogger("one"), keras_repreg.PenaltyLogger("two")]
    history = model.fit(x, y, verbose=0, callbacks=loggers).history
    assert set(history) == {"loss", "one_penalty", "two_penalty"}
    again = model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger("two")]).history
    assert set(again) == {"loss", "two_penalty"}


def test_only_the_new_loggers_layers_are_logged_after_an_interruption():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    x, y = data()
    model = two_penalties()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger("one"), Interrupt()])
    history = model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger("two")]).history
    assert set(history) == {"loss", "two_penalty"}


def test_prediction_leaves_no_state():
    x, y = data()
    model = two_penalties()
    model.predict(x, verbose=0, callbacks=[keras_repreg.PenaltyLogger()])
    assert set(model.evaluate(x, y, verbose=0, return_dict=True)) == {"loss"}


def test_model_metrics_contain_no_penalties():
    """A `train_step` that updates all metrics with targets, as in Keras's guide, must not find a penalty metric."""

    class Own(keras_repreg.Sequential):
        def test_step(self, *args):
            result = super().test_step(*args)
            assert [metric.name for metric in self.metrics] == ["loss"]
            return result

    x, y = data()
    model = compiled(network(CASES[0], kind=Own))
    found = model.evaluate(x, y, batch_size=48, verbose=0, return_dict=True, callbacks=[keras_repreg.PenaltyLogger()])
    assert found["regularizer_penalty"] == pytest.approx(expected_penalty(model, CASES[0], x, y, 48), rel=1e-4)


@pytest.mark.parametrize("kind", ["compute_loss", "distiller"])
def test_penalty_excluded_from_the_loss_warns_once_and_is_not_logged(kind):
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return LOSS(y, y_pred)

    x, y = data()
    model = network(CASES[0], kind=Own)
    if kind == "distiller":
        if not hasattr(keras, "distillation"):
            pytest.skip("this Keras has no Distiller")
        teacher = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
        losses = keras.distillation.LogitsDistillation()
        model = keras.distillation.Distiller(teacher, network(CASES[0], kind=keras.Sequential), losses)
        model.compile("sgd", loss=LOSS)
    else:
        compiled(model)
    with pytest.warns(UserWarning, match=r"'regularizer' has no effect.*sum\(self.losses\)") as warned:
        history = model.fit(x, y, epochs=2, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert sum("no effect" in str(warning.message) for warning in warned) == 1
    assert not any("penalty" in name for name in history)
    # The warning is not repeated.
    model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger()])


@pytest.mark.parametrize("kind", ["layer", "time distributed"])
def test_penalties_within_layers_are_logged_and_scheduled(kind):
    class Block(keras.layers.Layer):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.penalty = keras_repreg.L1Regularization(1.0, name="inner")

        def build(self, shape):
            self.penalty.build(shape)

        def call(self, x):
            return self.penalty(x)

    x = np.random.default_rng(0).normal(size=(20, 3, 5)).astype("float32")
    penalty = keras_repreg.L1Regularization(1.0, name="inner")
    layer = Block() if kind == "layer" else keras.layers.TimeDistributed(penalty)
    layers = [keras.Input((3, 5)), *([keras.layers.Flatten()] if kind == "layer" else []), layer]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(3, name="logits")])
    compiled(model)
    schedule = keras_repreg.WeightSchedule(lambda epoch: epoch)
    callbacks = [keras_repreg.PenaltyLogger(), schedule]
    history = model.fit(x, np.zeros(20), epochs=2, batch_size=20, verbose=0, callbacks=callbacks).history
    assert history["inner_penalty"] == pytest.approx([0, np.abs(x).sum()], rel=1e-4)
    assert history["loss"][1] - history["loss"][0] == pytest.approx(np.abs(x).sum(), rel=1e-3)


def shared_twice():
    shared = keras_repreg.L1Regularization(1.0, name="shared")
    start = keras.Input((5,))
    return keras.Model(start, keras.layers.Dense(3, kernel_initializer="zeros")(shared(start) + shared(2 * start)))


def siamese():
    inner = [keras.Input((5,)), keras_repreg.L1Regularization(1.0, name="shared")]
    encoder = keras.Sequential(inner)
    start = keras.Input((5,))
    outputs = encoder(start) + encoder(2 * start)
    return keras.Model(start, keras.layers.Dense(3, kernel_initializer="zeros")(outputs))


@pytest.mark.parametrize("build", [shared_twice, siamese])
def test_all_calls_of_a_shared_layer_are_in_the_loss_and_the_logs(build):
    x, y = data()
    model = compiled(build())
    expected = 3 * np.abs(x).sum()
    assert model.evaluate(x, y, batch_size=48, verbose=0) == pytest.approx(expected + np.log(3), rel=1e-5)
    logs = model.fit(x, y, batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert logs["shared_penalty"] == pytest.approx([expected], rel=1e-5)
    assert logs["loss"] == pytest.approx([expected + np.log(3)], rel=1e-5)


def test_repeated_fits_do_not_recompile_or_leave_state():
    x, y = data()
    traced = 0

    class Count(keras.layers.Layer):
        def call(self, z):
            nonlocal traced
            traced += 1
            return z

    model = keras.Sequential(
        [keras.Input((5,)), keras_repreg.L1Regularization(0.1), Count(), keras.layers.Dense(3, name="logits")]
    )
    compiled(model)
    for callbacks in ([keras_repreg.PenaltyLogger()], [], [keras_repreg.PenaltyLogger()]):
        model.fit(x, y, batch_size=48, verbose=0, callbacks=callbacks)
    hooks, before = dict(vars(model)), traced
    arounds = [len(getattr(value, "around", [])) for value in hooks.values()]
    for _ in range(5):
        history = model.fit(x, y, batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
        assert len(history) == 2
    # PyTorch does not compile, so there is one call per step.
    assert traced - before == (5 if BACKEND == "torch" else 0)
    assert set(vars(model)) == set(hooks)
    assert [len(getattr(vars(model)[name], "around", [])) for name in hooks] == arounds


@pytest.mark.skipif(BACKEND != "jax", reason="tracers exist on JAX only")
def test_no_tracer_outlives_a_step():
    import jax

    x, y = data()
    with jax.checking_leaks():
        for case in CASES[:5]:
            model = compiled(network(case))
            model.fit(x, y, batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()])
            model.evaluate(x, y, batch_size=48, verbose=0)


def test_steps_run_by_callbacks_do_not_change_the_logs():
    x, y = data()

    class Others(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.test_on_batch(x, y)

        def on_epoch_end(self, epoch, logs=None):
            self.model.train_on_batch(x, y)
            assert isinstance(self.model.evaluate(x, y, verbose=0), float)

    model = two_penalties()
    callbacks = [keras_repreg.PenaltyLogger("one"), Others()]
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=callbacks).history
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ["loss", "one_penalty", "val_loss", "val_one_penalty"], 3
    )


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX a second pass needs its own scope")
def test_two_forward_passes_in_a_step_are_logged_as_in_the_loss():
    class Twice(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            first = sum(self.losses) + sum(self.losses) * 0
            self(2 * x, training=training)
            return first + sum(self.losses) + 0 * keras.ops.sum(y_pred)

    x, _ = data()
    identity = keras.layers.Dense(5, kernel_initializer="identity")
    model = Twice([keras.Input((5,)), identity, keras_repreg.L1Regularization(1.0, name="p"), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    logs = model.fit(x, x[:, :3], batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert logs["p_penalty"] == pytest.approx([3 * np.abs(x).sum()], rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["p_penalty"], rel=1e-5)


def test_penalty_can_be_effective_in_one_model_and_not_in_another():
    class Own(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x, training=None):
            return self.inner(x, training=training)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return LOSS(y, y_pred)

    x, y = data()
    inner = compiled(network(CASES[0], kind=keras.Sequential))
    assert "regularizer_penalty" in inner.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    outer = Own(inner)
    outer.compile("sgd")
    with pytest.warns(UserWarning, match="'regularizer' has no effect"):
        history = outer.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert set(history) == {"loss"}


@pytest.mark.skipif(BACKEND == "jax", reason="JAX detects this from the gradient only")
def test_evaluation_without_the_penalty_warns():
    class Own(keras_repreg.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return LOSS(y, y_pred)

    x, y = data()
    model = compiled(network(CASES[0], kind=Own))
    with pytest.warns(UserWarning, match="'regularizer' has no effect"):
        model.evaluate(x, y, verbose=0)


def test_variables_have_unique_paths():
    x, y = data()
    model = two_penalties()
    schedule = keras_repreg.WeightSchedule(lambda epoch: 0.5)
    model.fit(x, y, verbose=0, callbacks=[keras_repreg.PenaltyLogger(), schedule])
    paths = [variable.path for variable in model.variables]
    assert len(set(paths)) == len(paths)
    model.get_state_tree()


def test_penalty_in_a_compiled_loop_raises():
    class Loop(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.penalty = keras_repreg.L1Regularization(1.0, name="penalty")

        def build(self, shape):
            self.penalty.build(shape)

        def call(self, x):
            return keras.ops.map(lambda row: self.penalty(row[None])[0], x)

    if BACKEND != "tensorflow":
        pytest.skip("PyTorch loops in Python, and JAX itself rejects the tracer")
    x, y = data()
    model = keras.Sequential([keras.Input((5,)), Loop(), keras.layers.Dense(3)])
    compiled(model)
    with pytest.raises(ValueError, match="'penalty' to be called outside of compiled loops"):
        model.fit(x, y, verbose=0)
