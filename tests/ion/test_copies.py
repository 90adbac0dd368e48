"""Copies, like saved and loaded models, keep state, compilation and label awareness."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg import ion
from keras_repreg.models import is_label_aware
from tests.ion.networks import build, nonsingular, output

X = np.random.default_rng(0).normal(5.0, 3.0, size=(50, 5)).astype("float32")


def normalized():
    norm = layers.Normalization(name="norm")
    norm.adapt(X)
    return keras.Sequential(
        [keras.Input((5,)), norm, layers.Dense(6, name="z"), layers.Dense(6, name="next"), layers.Dense(3)]
    )


def lookup():
    start = keras.Input((4,), dtype="int32")
    ids = layers.IntegerLookup(vocabulary=[10, 20, 30, 40], name="lookup")(start)
    x = layers.Flatten()(layers.Embedding(5, 3)(ids))
    return keras.Model(start, layers.Dense(3)(layers.Dense(6, name="z")(x)))


IDS = np.random.default_rng(0).choice([10, 20, 30, 40, 50], size=(20, 4)).astype("int32")
COPIES = {
    "transform": lambda model, data: ion.transform(model, "z", nonsingular(6, 3, 0), data=data, copy=True),
    "permute": lambda model, data: ion.permute(model, "z", [3, 0, 5, 1, 4, 2], data=data, copy=True),
    "insert_linear": lambda model, data: ion.insert_linear(model, "z"),
    "remove_units": lambda model, data: ion.remove_units(model, "z", data=data).model,
}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("make", [normalized, lookup])
def test_state_beyond_weights_survives(make, with_data, copy):
    if make is lookup and keras.backend.backend() != "tensorflow":
        pytest.skip("lookup layers in models require TensorFlow")
    model = make()
    x = X if make is normalized else IDS
    y = output(model, x)
    twin = COPIES[copy](model, x if with_data else None)
    assert twin is not model
    np.testing.assert_allclose(output(twin, x), y, atol=2e-5 * np.abs(y).max())
    np.testing.assert_array_equal(output(model, x), y)


def test_copy_that_loses_state_raises():
    class Forgetful(layers.Layer):
        """A layer whose state is neither a weight nor in its configuration."""

        scale = 1.0

        def call(self, x):
            return self.scale * x

    keras.saving.register_keras_serializable(package="tests")(Forgetful)
    forgetful = Forgetful()
    model = keras.Sequential([keras.Input((5,)), forgetful, layers.Dense(6, name="z"), layers.Dense(3)])
    forgetful.scale = 3.0
    with pytest.raises(RuntimeError, match="The output changed"):
        ion.transform(model, "z", nonsingular(6, 3, 0), copy=True)
    with pytest.raises(ValueError, match="Expected layers whose state can be copied"):
        ion.insert_linear(model, "z")
    with pytest.raises(RuntimeError, match="The output changed"):
        ion.fold_batch_norm(model, copy=True)


@pytest.mark.parametrize("copy", COPIES)
def test_copy_keeps_compilation_and_label_awareness(copy):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, name="z"),
            layers.Dense(4, name="next"),
            keras_repreg.ClasswiseVarianceRegularization(0.01),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.125), loss, metrics=["accuracy"])
    keras_repreg.label_aware(model)
    y = np.arange(50) % 3
    model.fit(X, y, verbose=0)
    twin = COPIES[copy](model, None)
    assert twin.compiled
    assert float(twin.optimizer.learning_rate) == 0.125
    assert twin.evaluate(X, y, verbose=0) == pytest.approx(model.evaluate(X, y, verbose=0), rel=1e-3)
    twin.fit(X, y, verbose=0)  # without labels this would raise
    plain = COPIES[copy](build(), None)
    assert not plain.compiled
    assert not is_label_aware(plain)


def test_copy_that_cannot_be_compiled_warns():
    def odd_loss(y_true, y_pred):
        return keras.ops.mean(y_pred)

    class Odd:
        def __call__(self, y_true, y_pred):
            return keras.ops.mean(y_pred)

    for loss, warns in ((odd_loss, False), (Odd(), True)):
        model = build()
        model.compile("sgd", loss)
        for copy in ("permute", "insert_linear"):
            if warns:
                with pytest.warns(UserWarning, match="is not compiled"):
                    twin = COPIES[copy](model, None)
                assert not twin.compiled
            else:
                assert COPIES[copy](model, None).compiled


def test_copy_keeps_the_optimizer_state():
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, np.arange(50) % 3, verbose=0)
    twin = ion.permute(model, "z", [3, 0, 5, 1, 4, 2], copy=True)
    assert int(twin.optimizer.iterations) == int(model.optimizer.iterations)


class OwnStep(keras.Model):
    """A model that doubles its training loss."""

    def compute_loss(self, *args, **kwargs):
        return 2 * super().compute_loss(*args, **kwargs)


@pytest.mark.parametrize("copy", COPIES)
def test_copy_keeps_loss_weights_and_custom_methods(copy):
    start = keras.Input((5,))
    z = layers.Dense(6, name="z")(start)
    model = OwnStep(start, {"a": layers.Dense(3, name="a")(z), "b": layers.Dense(2, name="b")(z)})
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"a": 0.25, "b": 3.0})
    twin = COPIES[copy](model, None)
    assert type(twin) is OwnStep
    targets = {"a": np.ones((50, 3)), "b": np.ones((50, 2))}
    expected = model.evaluate(X, targets, verbose=0, return_dict=True)["loss"]
    assert twin.evaluate(X, targets, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-4)


def test_custom_classes_do_not_need_to_be_registered():
    class Unregistered(layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential(
        [keras.Input((5,)), Unregistered(), layers.Lambda(lambda x: x + 1), layers.Dense(6, name="z"), layers.Dense(3)]
    )
    for copy in COPIES.values():
        assert ion.verify(model, copy(model, None), X) < 1e-5


def test_layers_without_a_name_in_their_configuration():
    """A layer restored from such a configuration has a different name."""

    class Nameless(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(5, bias_initializer="normal")

        def build(self, shape):
            self.dense.build(shape)

        def get_config(self):
            return {}

        def call(self, x):
            return keras.ops.tanh(self.dense(x))

    keras.utils.set_random_seed(0)
    start = keras.Input((5,))
    parts = [Nameless(), Nameless(), layers.Dense(6, name="z"), layers.Dense(5), Nameless(), layers.Dense(3)]
    x = start
    for part in parts:
        x = part(x)
    for model in (keras.Model(start, x), keras.Sequential([keras.Input((5,)), *parts])):
        for copy in COPIES.values():
            assert ion.verify(model, copy(model, None), X) < 1e-5
        assert ion.verify(model, ion.insert_linear(model, parts[1]), X) < 1e-5
        with pytest.raises(ValueError, match="type Nameless"):
            ion.fold_batch_norm(model, parts[0], copy=True)


def test_models_without_a_usable_configuration_raise():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, name="z"), layers.Dense(3, activation=lambda x: keras.ops.tanh(x))]
    )
    for rebuild in (lambda: ion.insert_linear(model, "z"), lambda: ion.remove_units(model, "z", [0])):
        with pytest.raises(ValueError, match=r"Expected layers that can be created|copied by saving and loading"):
            rebuild()


def test_unsaveable_model_raises():
    class Holding(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def get_config(self):
            return {}

        def call(self, x):
            return self.function(x)

    model = keras.Sequential([keras.Input((5,)), Holding(keras.ops.tanh), layers.Dense(6, name="z"), layers.Dense(3)])
    ion.permute(model, "z", [3, 0, 5, 1, 4, 2])
    with pytest.raises(ValueError, match="copied by saving and loading"):
        ion.permute(model, "z", [3, 0, 5, 1, 4, 2], copy=True)
