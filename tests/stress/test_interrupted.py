"""After a fit ends with an exception, the model is restored, the next fit is correct, and nothing accumulates."""

import keras
import pytest

import keras_repreg
from keras_repreg import seam
from keras_repreg.callbacks.validation import _EvaluateWrapper
from tests.stress.networks import callbacks, data, fit, network


class Interrupt(keras.callbacks.Callback):
    def __init__(self, event):
        super().__init__()
        setattr(self, event, self.interrupt)

    def interrupt(self, *args, **kwargs):
        raise KeyboardInterrupt


EVENTS = ["on_train_begin", "on_train_batch_end", "on_test_batch_end", "on_epoch_end"]


def interrupted(model, event, together):
    x, y = data()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, validation_data=(x, y), callbacks=[*together, Interrupt(event)], verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
def test_evaluation_is_restored(event):
    model, (x, y) = network(), data()
    interrupted(model, event, callbacks())
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    assert [metric.name for metric in model.metrics] == ["loss"]
    assert set(model.evaluate(x, y, verbose=0, return_dict=True)) == {"loss"}


def test_training_without_the_loggers_logs_no_measurements():
    model, (x, y) = network(), data()
    interrupted(model, "on_epoch_end", callbacks())
    assert set(model.fit(x, y, verbose=0).history) == {"loss"}
    interrupted(model, "on_epoch_end", callbacks())
    assert isinstance(model.train_on_batch(x, y), float)


def hooks(model):
    return [hook for hook in seam.around(model, "evaluate") if isinstance(hook, _EvaluateWrapper)]


def test_hooks_do_not_accumulate():
    model = network()
    for _ in range(2):
        interrupted(model, "on_epoch_end", callbacks())
        assert len(hooks(model)) == 3  # hooks of the three loggers of the last fit
    history = fit(model, 1).history
    assert "val_hidden_zx_lower" in history
    assert "val_hidden_within_class_variance" not in history  # every second epoch
    assert not hooks(model)


def test_evaluation_within_fit_does_not_stop_logging():
    class Evaluates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            x, y = data()
            logger = keras_repreg.PenaltyLogger()
            found = self.model.evaluate(x, y, verbose=0, return_dict=True, callbacks=[logger])
            assert "l1_penalty" in found
            assert isinstance(self.model.evaluate(x, y, verbose=0), float)
            self.model.train_on_batch(x, y)

    x, y = data()
    model = keras.Sequential(
        [keras.Input((5,)), keras_repreg.L1Regularization(0.1, name="l1"), keras.layers.Dense(3, name="logits")]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    together = [keras_repreg.PenaltyLogger(), Evaluates()]
    history = model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=together, verbose=0).history
    assert len(history["l1_penalty"]) == len(history["val_l1_penalty"]) == 2


def test_interrupted_evaluation_leaves_no_trace():
    if keras.backend.backend() == "jax":
        pytest.skip("Keras removes the weights from the model during evaluation")
    model, (x, y) = network(), data()
    with pytest.raises(KeyboardInterrupt):
        model.evaluate(x, y, callbacks=[keras_repreg.PenaltyLogger(), Interrupt("on_test_batch_end")], verbose=0)
    assert isinstance(model.evaluate(x, y, verbose=0), float)


def test_logger_can_be_reused():
    model, (x, y) = network(), data()
    logger = keras_repreg.PenaltyLogger()
    interrupted(model, "on_epoch_end", [logger])
    found = model.evaluate(x, y, callbacks=[logger], verbose=0, return_dict=True)
    assert len(found) == 3
    assert isinstance(model.evaluate(x, y, verbose=0), float)
