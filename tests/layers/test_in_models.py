"""The layers in models: three ways to pass labels, compiled and eager, saved and loaded."""

import keras
import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CASES, CLASSWISE

CAN_COMPILE = keras.backend.backend() != "torch"


def data(samples=48, inputs=5, classes=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, inputs)).astype("float32"), rng.integers(0, classes, samples).astype("int32")


def stack(case, weight=0.1, **arguments):
    return [
        keras.Input((5,)),
        keras.layers.Dense(12, activation="relu", name="hidden"),
        case.make(weight, name="penalty", **arguments),
        keras.layers.Dense(3, name="logits"),
    ]


def compiled(model, **arguments):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, **arguments)
    return model


def fitted(build, x=None, y=None, fit=None, **arguments):
    """Return the weights after two epochs with a fixed order of samples, and the history."""
    keras.utils.set_random_seed(0)
    model = compiled(build(), **arguments)
    x, y = data() if x is None else (x, y)
    history = model.fit(x, y, epochs=2, batch_size=20, shuffle=False, verbose=0, **(fit or {}))
    return model.get_weights(), history.history


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def by_input(case, weight=0.1):
    """The first way to pass labels."""
    x, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    z = keras.layers.Dense(12, activation="relu")(x)
    z = case.make(weight)([z, labels])
    return keras.Model([x, labels], keras.layers.Dense(3)(z))


def weights_by_input(case):
    x, y = data()
    return fitted(lambda: by_input(case), [x, y], y)[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_penalty_reaches_the_loss(case):
    with_penalty = fitted(lambda: keras_repreg.Sequential(stack(case)))[0]
    without = fitted(lambda: keras_repreg.Sequential(stack(case, weight=0.0)))[0]
    assert any(not np.allclose(a, b, rtol=1e-6) for a, b in zip(with_penalty, without, strict=True))


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_three_ways_to_pass_labels_train_alike(case):
    expected = weights_by_input(case)

    def functional():
        sequential = keras.Sequential(stack(case))
        return keras_repreg.Model(sequential.inputs, sequential.outputs)

    ways = {
        "Sequential": lambda: keras_repreg.Sequential(stack(case)),
        "Model": functional,
        "label_aware": lambda: keras_repreg.label_aware(keras.Sequential(stack(case))),
    }
    for build in ways.values():
        assert_same(fitted(build)[0], expected)


ONE = CLASSWISE[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"run_eagerly": True},
        pytest.param(
            {"jit_compile": True}, marks=pytest.mark.skipif(not CAN_COMPILE, reason="does not compile on PyTorch")
        ),
        {"jit_compile": False},
        pytest.param(
            {"steps_per_execution": 2}, marks=pytest.mark.skipif(not CAN_COMPILE, reason="not supported on PyTorch")
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_compile_options_give_the_same_result(case, arguments):
    if "seed" in case.arguments and keras.backend.backend() == "tensorflow" and arguments.get("jit_compile"):
        pytest.skip("XLA draws different random numbers on TensorFlow")
    plain = fitted(lambda: keras_repreg.Sequential(stack(case)), run_eagerly=True)[0]
    assert_same(fitted(lambda: keras_repreg.Sequential(stack(case)), **arguments)[0], plain)


def test_dataset_with_unit_sample_weights_trains_like_arrays():
    tf = pytest.importorskip("tensorflow")
    x, y = data()
    expected = fitted(lambda: keras_repreg.Sequential(stack(ONE)))[0]
    dataset = tf.data.Dataset.from_tensor_slices((x, y, np.ones(len(x), "float32"))).batch(20)
    keras.utils.set_random_seed(0)
    model = compiled(keras_repreg.Sequential(stack(ONE)))
    model.fit(dataset, epochs=2, verbose=0)
    assert_same(model.get_weights(), expected)


def test_py_dataset_trains_like_arrays():
    x, y = data()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x[20 * index : 20 * index + 20], y[20 * index : 20 * index + 20]

    expected = fitted(lambda: keras_repreg.Sequential(stack(ONE)))[0]
    keras.utils.set_random_seed(0)
    model = compiled(keras_repreg.Sequential(stack(ONE)))
    model.fit(Batches(), epochs=2, shuffle=False, verbose=0)
    assert_same(model.get_weights(), expected)


def test_one_hot_labels_train_like_ids():
    x, y = data()
    expected = fitted(lambda: keras_repreg.Sequential(stack(ONE)))[0]
    keras.utils.set_random_seed(0)
    model = keras_repreg.Sequential(stack(ONE))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(x, keras.utils.to_categorical(y, 3), epochs=2, batch_size=20, shuffle=False, verbose=0)
    assert_same(model.get_weights(), expected)


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_validation_includes_the_penalty_and_prediction_needs_no_labels(case):
    x, y = data()
    model = compiled(keras_repreg.Sequential(stack(case, weight=10.0)))
    history = model.fit(x, y, validation_data=(x, y), batch_size=48, verbose=0).history
    z = keras.Model(model.inputs, model.get_layer("hidden").output).predict(x, verbose=0)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model.predict(x, verbose=0))
    expected = float(cross_entropy) + 10 * case.oracle(z, y)
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-3)


def test_training_without_labels_names_the_three_ways():
    x, y = data()
    model = compiled(keras.Sequential(stack(ONE)), run_eagerly=True)
    with pytest.raises(ValueError, match=r"(?s)layer\(\[z, labels\]\).*keras_repreg.Sequential.*label_aware"):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="received no labels in training"):
        ONE.make()(x, training=True)
    assert ONE.make()(x).shape == x.shape


def test_trained_model_can_be_made_label_aware():
    x, y = data()
    model = compiled(keras.Sequential(stack(ONE)))
    with pytest.warns(UserWarning, match=r"'penalty' is left out of this evaluation.*label_aware\(model\)"):
        without = model.evaluate(x, y, verbose=0)  # creates the test function
    assert model.evaluate(x, y, verbose=0) == without  # warns once
    assert keras_repreg.label_aware(model) is model
    assert keras_repreg.label_aware(model) is model
    assert model.evaluate(x, y, verbose=0) > without
    model.fit(x, y, verbose=0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_keras_file_round_trip(case, tmp_path):
    x, y = data()
    model = compiled(keras_repreg.Sequential(stack(case, weight=0.3, normalize=True)))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras_repreg.Sequential
    assert loaded.get_layer("penalty").get_config() == model.get_layer("penalty").get_config()
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    loaded.fit(x, y, verbose=0)


def test_functional_model_round_trip(tmp_path):
    x, y = data()
    sequential = keras.Sequential(stack(ONE))
    model = compiled(keras_repreg.Model(sequential.inputs, sequential.outputs))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    loaded.fit(x, y, verbose=0)


def test_model_with_label_input_round_trip(tmp_path):
    x, y = data()
    model = compiled(by_input(ONE))
    model.fit([x, y], y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.evaluate([x, y], y, verbose=0)
    assert loaded.evaluate([x, y], y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_optional_label_input_is_not_needed_to_predict():
    x, y = data()
    inputs, labels = keras.Input((5,)), keras.Input((), dtype="int32", optional=True)
    z = ONE.make()([keras.layers.Dense(12, activation="relu")(inputs), labels])
    model = compiled(keras.Model([inputs, labels], keras.layers.Dense(3)(z)))
    model.fit([x, y], y, verbose=0)
    with_labels = model.predict([x, y], verbose=0)
    without = keras.ops.convert_to_numpy(model([x, None], training=False))
    np.testing.assert_allclose(without, with_labels, rtol=1e-5)


def test_labels_as_a_keyword():
    x, y = data()
    layer = ONE.make(1.0)
    layer(x, labels=y)
    expected = float(layer.losses[0])
    layer([x, y])
    assert float(layer.losses[0]) == pytest.approx(expected)
    inputs, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    model = keras.Model([inputs, labels], ONE.make(1.0)(inputs, labels=labels))
    model([x, y])
    assert float(model.losses[0]) == pytest.approx(expected)


def test_subclassed_models_after_functional_ones():
    class Mine(keras_repreg.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(12, activation="relu")
            self.penalty = ONE.make(0.1)
            self.logits = keras.layers.Dense(3)

        def call(self, x):
            return self.logits(self.penalty(self.hidden(x)))

    class Graph(keras_repreg.Model):
        def __init__(self):
            sequential = keras.Sequential(stack(ONE))
            super().__init__(sequential.inputs, sequential.outputs)

    sequential = keras.Sequential(stack(ONE))
    keras_repreg.Model(sequential.inputs, sequential.outputs)
    expected = weights_by_input(ONE)
    assert_same(fitted(Mine)[0], expected)
    assert_same(fitted(Graph)[0], expected)
    assert_same(fitted(Mine)[0], expected)


def test_model_from_keyword_arguments():
    def build():
        sequential = keras.Sequential(stack(ONE))
        return keras_repreg.Model(inputs=sequential.inputs, outputs=sequential.outputs, name="mine")

    assert build().name == "mine"
    assert_same(fitted(build)[0], weights_by_input(ONE))


def test_subclasses_with_custom_steps_see_the_labels():
    class Own(keras_repreg.Sequential):
        seen = 0

        def train_step(self, *args, **kwargs):
            assert keras_repreg.labels.current_labels() is not None
            type(self).seen += 1
            return super().train_step(*args, **kwargs)

    fitted(lambda: Own(stack(ONE)))
    assert Own.seen > 0


def test_model_instances_are_of_class_model():
    class Mine(keras_repreg.Model):
        def __init__(self):
            sequential = keras.Sequential(stack(ONE))
            super().__init__(sequential.inputs, sequential.outputs)

    sequential = keras.Sequential(stack(ONE))
    assert isinstance(keras_repreg.Model(sequential.inputs, sequential.outputs), keras_repreg.Model)
    assert isinstance(Mine(), keras_repreg.Model)
    assert issubclass(Mine, keras_repreg.Model)
    assert not isinstance(sequential, keras_repreg.Model)


def test_dict_targets_need_a_label_key():
    x, y = data()

    def build(label_key):
        inputs = keras.Input((5,))
        z = keras.layers.Dense(12, activation="relu")(inputs)
        z = ONE.make(0.1, label_key=label_key)(z)
        outputs = {"class": keras.layers.Dense(3, name="class")(z), "value": keras.layers.Dense(1, name="value")(z)}
        model = keras_repreg.Model(inputs, outputs)
        losses = {"class": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "value": "mse"}
        model.compile("sgd", losses, run_eagerly=True)
        return model

    targets = {"class": y, "value": np.zeros((len(y), 1), "float32")}
    build("class").fit(x, targets, verbose=0)
    with pytest.raises(ValueError, match="label_key"):
        build(None).fit(x, targets, verbose=0)
    with pytest.raises(ValueError, match="label_key='labels'"):
        build("labels").fit(x, targets, verbose=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_mixed_precision_agrees_to_the_precision_of_activations(case, policy):
    x, y = data()
    labels = y if case.classwise else None
    z = np.maximum(x, 0)
    half = case.make(dtype=keras.DTypePolicy(policy))
    full = case.make()
    for layer in (half, full):
        layer(z) if labels is None else layer([z, labels])
    assert keras.backend.standardize_dtype(half.losses[0].dtype) == "float32"
    assert float(half.losses[0]) == pytest.approx(float(full.losses[0]), rel=0.03)


def test_clone_keeps_the_layer():
    model = keras.models.clone_model(keras.Sequential(stack(ONE, weight=0.7)))
    assert model.get_layer("penalty").weight == 0.7
