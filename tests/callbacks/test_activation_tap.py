"""The forward pass in which characteristics are measured."""

import keras
import numpy as np
import pytest

import keras_repreg
from tests.callbacks.cases import assert_logged, build, data, subclassed


def forever(x, y):
    while True:
        yield x[:20], y[:20]
        yield x[20:], y[20:]


def test_generator_is_read_once_or_rejected():
    model, (x, y) = build(), data()
    arguments = {"validation_steps": 2, "verbose": 0}
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, y, validation_data=forever(x, y), callbacks=[logger], **arguments).history
    assert_logged(history, model, "second", x)
    model = subclassed()
    model(x)
    with pytest.raises(ValueError, match="generator.*Received: "):
        model.fit(
            x, y, validation_data=forever(x, y), callbacks=[keras_repreg.CharacteristicsLogger("second")], **arguments
        )


def passes(model, name="second"):
    """Count the calls of a layer with concrete values: forward passes outside of compiled functions."""
    layer, calls = model.get_layer(name), []
    original = layer.call

    def call(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    vars(layer)["call"] = call
    return calls


@pytest.mark.parametrize("eager", [True, False])
def test_validation_is_the_only_forward_pass(eager):
    model, (x, y) = build(run_eagerly=eager), data()
    model.fit(x, y, validation_data=(x, y), verbose=0)  # builds variables and functions
    counts = {}
    for name, callbacks in {"without": [], "with": [keras_repreg.CharacteristicsLogger()]}.items():
        calls = passes(model)
        model.fit(x, y, epochs=4, validation_data=(x, y), callbacks=callbacks, verbose=0)
        counts[name] = len(calls)
        del vars(model.get_layer("second"))["call"]
    # In compiled functions the layer is called only while they are traced: at most one more trace.
    assert counts["with"] <= counts["without"] + (0 if eager else 2)


@pytest.mark.parametrize("kind", ["subclassed", "second logger", "several steps", "labels in an array"])
def test_data_are_read_again_if_validation_cannot_be_tapped(kind):
    model, (x, y) = subclassed() if kind == "subclassed" else build(), data()
    model(x)
    loggers = [keras_repreg.CharacteristicsLogger("second")]
    if kind == "several steps":
        if keras.backend.backend() == "torch":
            pytest.skip("steps_per_execution is not supported on PyTorch")
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), steps_per_execution=2)
    if kind == "second logger":
        loggers.append(keras_repreg.CharacteristicsLogger("logits"))
    if kind == "labels in an array":
        loggers = [keras_repreg.CharacteristicsLogger("second", labels=y)]
    history = model.fit(x, y, epochs=2, validation_data=(x, y), batch_size=16, callbacks=loggers, verbose=0).history
    assert_logged(history, model, "second", x)
    if kind == "second logger":
        assert_logged(history, model, "logits", x)
    assert not {"test_step", "evaluate"} & set(vars(model))
    assert isinstance(model.evaluate(x, y, verbose=0), float)


def test_custom_test_steps_are_left_alone():
    """A custom test step may call the layers more than once, or on other data."""

    class Twice(keras.Model):
        def test_step(self, *args):
            result = super().test_step(*args)
            if keras.backend.backend() != "jax":
                self(np.zeros((8, 4), "float32"), training=False)
            return result

    start = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="relu", name="hidden")(start)
    model = Twice(start, keras.layers.Dense(2)(hidden))
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    logger = keras_repreg.CharacteristicsLogger()
    history = model.fit(x, x[:, :2], validation_data=(x, x[:, :2]), verbose=0, callbacks=[logger]).history
    expected = keras_repreg.measure(model, x, "hidden")["hidden"]
    assert history["val_hidden_sparsity"][-1] == pytest.approx(expected["sparsity"])
    assert history["val_hidden_stable_rank"][-1] == pytest.approx(expected["stable_rank"], rel=1e-4)
