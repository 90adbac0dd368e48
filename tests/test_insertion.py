"""Insertion of penalties into existing models."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_repreg
from keras_repreg.models import is_label_aware

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5)).astype("float32"), RNG.integers(0, 3, 24).astype("int32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def hidden():
    return [keras.Input((5,)), layers.Dense(6, activation="relu", name="hidden"), layers.Dense(4, name="z")]


def sequential():
    return keras.Sequential([*hidden(), layers.Dense(3, name="logits")]), "hidden"


def functional():
    start = keras.Input((5,), name="x")
    z = layers.Dense(6, activation="relu", name="hidden")(start)
    both = layers.Concatenate()([z, layers.Dense(2)(z)])
    return keras.Model({"x": start}, {"y": layers.Dense(3, name="logits")(both)}), "hidden"


def nested():
    inner = keras.Sequential(hidden(), name="backbone")
    start = keras.Input((5,))
    return keras.Model(start, layers.Dense(3, name="logits")(inner(start))), "backbone/hidden"


def nested_twice():
    start = keras.Input((5,))
    middle = keras.Model(start, layers.ReLU()(keras.Sequential(hidden(), name="inner")(start)), name="middle")
    return keras.Sequential([keras.Input((5,)), middle, layers.Dense(3, name="logits")]), "middle/inner/hidden"


def shared():
    encoder = keras.Sequential(hidden(), name="encoder")
    start = keras.Input((5,))
    return keras.Model(start, layers.Dense(3, name="logits")(encoder(start) + encoder(-start))), "encoder/hidden"


def structured():
    """A model with a custom backbone class whose output is a dict."""

    class Backbone(keras.Model):
        def __init__(self, width):
            start = keras.Input((5,), name="x")
            z = layers.Dense(width, activation="relu", name="hidden")(start)
            super().__init__({"x": start}, {"pooled": z, "other": -z}, name="backbone")

    start = keras.Input((5,), name="x")
    return keras.Model(start, layers.Dense(3, name="logits")(Backbone(6)({"x": start})["pooled"])), "backbone/pooled"


BUILDS = [sequential, functional, nested, nested_twice, shared, structured]


def within_class_variance(z, labels):
    return sum(z[labels == k].var(axis=0).sum() for k in range(3))


@pytest.mark.parametrize("build", BUILDS)
def test_penalty_is_computed_on_the_layer_output_and_weights_are_shared(build):
    model, name = build()
    named = build is functional
    metrics = [] if named else ["accuracy"]  # the oldest Keras has no metrics for dict outputs
    model.compile(keras.optimizers.SGD(0.05), {"y": LOSS} if named else LOSS, metrics=metrics)
    y = {"y": Y} if build is functional else Y
    x = {"x": X} if build is functional else X
    before = model.predict(x, verbose=0)
    entropy = model.evaluate(x, y, batch_size=24, verbose=0, return_dict=True)["loss"]
    dense = next(layer for layer in keras_repreg.seam.all_sublayers(model) if layer.name == "hidden")
    kernel, bias = (ops.convert_to_numpy(weight).astype("float64") for weight in (dense.kernel, dense.bias))
    inputs = [X, -X] if build is shared else [X]
    omega = sum(within_class_variance(np.maximum(part @ kernel + bias, 0), Y) for part in inputs)

    new = keras_repreg.insert(model, name, keras_repreg.ClasswiseVarianceRegularization(0.5, name="penalty"))
    assert is_label_aware(new)
    assert not is_label_aware(model)
    keras.tree.map_structure(np.testing.assert_array_equal, new.predict(x, verbose=0), before)
    logs = new.evaluate(x, y, batch_size=24, verbose=0, return_dict=True, callbacks=[keras_repreg.PenaltyLogger()])
    assert logs["penalty_penalty"] == pytest.approx(0.5 * omega, rel=1e-4)
    assert logs["loss"] == pytest.approx(entropy + 0.5 * omega, rel=1e-4)
    assert named or any("accuracy" in key for key in logs)
    assert isinstance(new.optimizer, keras.optimizers.SGD)
    assert float(new.optimizer.learning_rate) == pytest.approx(0.05)

    start = model.get_weights()
    new.fit(x, y, verbose=0)
    assert [id(weight) for weight in new.weights] == [id(weight) for weight in model.weights]
    assert any(not np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True))
    # The original model has no penalty.
    assert not any(layer.name == "penalty" for layer in keras_repreg.seam.all_sublayers(model))


@pytest.mark.parametrize("build", BUILDS[:-1])
def test_uncompiled_model_stays_uncompiled_and_can_be_saved(build, tmp_path):
    model, name = build()
    new = keras_repreg.insert(model, name, keras_repreg.L1Regularization(0.1, name="penalty"))
    assert not new.compiled
    assert not is_label_aware(new)
    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = {"x": X} if build is functional else X
    keras.tree.map_structure(np.testing.assert_array_equal, loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert "penalty" in [layer.name for layer in keras_repreg.seam.all_sublayers(loaded)]


def test_label_aware_model_stays_label_aware():
    model = keras_repreg.label_aware(sequential()[0])
    assert is_label_aware(keras_repreg.insert(model, "z", keras_repreg.L1Regularization(0.1)))


class Block(layers.Layer):
    """A layer that calls another."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.inner = layers.Dense(5, name="inner")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class Subclassed(keras.Model):
    """A model without a graph."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(3, name="hidden")

    def call(self, x):
        return self.hidden(x)


def test_invalid_arguments_raise():
    model, _ = sequential()
    penalty = keras_repreg.L1Regularization(0.1, name="penalty")
    with pytest.raises(TypeError, match="representation regularizer. Received: 3"):
        keras_repreg.insert(model, "hidden", 3)
    with pytest.raises(TypeError, match=r"Expected `model` to be a `keras.Model`. Received: 3"):
        keras_repreg.insert(3, "hidden", penalty)
    for name in ("nothing", "hidden/nothing", "nothing/hidden"):
        with pytest.raises(ValueError, match=f"Expected a layer of model .*Received: '{name}'"):
            keras_repreg.insert(model, name, penalty)
    with pytest.raises(ValueError, match="not one of .*Received: name='z'"):
        keras_repreg.insert(model, "hidden", keras_repreg.L1Regularization(0.1, name="z"))
    with pytest.raises(ValueError, match="Received: the input 'x'"):
        keras_repreg.insert(functional()[0], "x", penalty)
    block = keras.Sequential([keras.Input((5,)), Block(name="block")])
    with pytest.raises(ValueError, match="not one that another layer calls. Received: layer 'block/inner'"):
        keras_repreg.insert(block, "block/inner", penalty)
    own = Subclassed()
    own(X)
    with pytest.raises(ValueError, match="Sequential or functional models.*Received: layer 'hidden' of Subclassed"):
        keras_repreg.insert(own, "hidden", penalty)


def test_unreadable_loss_warns_and_leaves_the_new_model_uncompiled():
    model, _ = sequential()

    def loss(y, z):
        return ops.mean(ops.square(z))

    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match="The new model is not compiled"):
        new = keras_repreg.insert(model, "hidden", keras_repreg.L1Regularization(0.1))
    assert not new.compiled


def test_lost_methods_of_a_custom_class_are_named_in_a_warning():
    class Own(keras.Model):
        def compute_loss(self, *args, **kwargs):
            return 100.0 + super().compute_loss(*args, **kwargs)

    start = keras.Input((5,))
    model = Own(start, layers.Dense(3)(layers.Dense(6, name="hidden")(start)))
    model.compile("sgd", LOSS)
    with pytest.warns(UserWarning, match="is a Functional, without the compute_loss of Own"):
        keras_repreg.insert(model, "hidden", keras_repreg.L1Regularization(0.1))


def test_output_names_are_kept():
    start = keras.Input((5,))
    z = layers.Dense(6, name="hidden")(start)
    model = keras.Model(start, {"a": layers.Dense(3, name="a")(z), "b": layers.Dense(3, name="b")(z)})
    model.compile("sgd", {"a": LOSS, "b": LOSS})
    new = keras_repreg.insert(model, "b", keras_repreg.L1Regularization(0.1))
    assert np.isfinite(new.fit(X, {"a": Y, "b": Y}, verbose=0).history["loss"]).all()


def test_one_part_of_a_structured_output_can_be_named():
    start = keras.Input((5, 3))
    z, *states = layers.LSTM(4, return_state=True, name="lstm")(start)
    model = keras.Model(start, layers.Dense(3)(layers.Concatenate()([z, states[1]])))
    x = RNG.normal(size=(6, 5, 3)).astype("float32")
    with pytest.raises(ValueError, match="one part of the output of layer 'lstm', such as 'lstm/0'. Received: 'lstm'"):
        keras_repreg.insert(model, "lstm", keras_repreg.L1Regularization(0.1))
    cell = ops.convert_to_numpy(model.get_layer("lstm")(x)[2])
    new = keras_repreg.insert(model, "lstm/2", keras_repreg.L1Regularization(1.0))
    new(x)
    assert float(ops.convert_to_numpy(new.losses[0])) == pytest.approx(np.abs(cell).sum(), rel=1e-5)
