"""Label-aware models: copying, saving, and validation of labels."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.models import is_label_aware

BACKEND = keras.backend.backend()
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5)).astype("float32"), RNG.integers(0, 3, 24).astype("int32")


@keras.saving.register_keras_serializable(package="test_models")
class Own(keras.Model):
    """A user's class that is not label aware."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.hidden = layers.Dense(6, activation="relu", name="hidden")
        self.penalty = penalty()
        self.logits = layers.Dense(3, name="logits")

    def build(self, shape):
        self.hidden.build(shape)
        self.penalty.build((shape[0], 6))
        self.logits.build((shape[0], 6))
        self.built = True

    def call(self, x, training=None):
        return self.logits(self.penalty(self.hidden(x), training=training))


@keras.saving.register_keras_serializable(package="test_models")
class Derived(keras_repreg.Model):
    """A user's class that is label aware."""

    build, call = Own.build, Own.call

    def __init__(self, **arguments):
        keras.Model.__init__(self, **arguments)
        self.hidden = layers.Dense(6, activation="relu", name="hidden")
        self.penalty = penalty()
        self.logits = layers.Dense(3, name="logits")


@keras.saving.register_keras_serializable(package="test_models")
class Graph(keras_repreg.Model):
    """A user's class that builds a graph."""

    def __init__(self, **arguments):
        super().__init__(*graph(), **arguments)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


def penalty():
    return keras_repreg.ClasswiseVarianceRegularization(2.0, name="penalty")


def stack():
    return [
        keras.Input((5,)),
        layers.Dense(6, activation="relu", name="hidden"),
        penalty(),
        layers.Dense(3, name="logits"),
    ]


def graph():
    model = keras.Sequential(stack())
    return model.inputs, model.outputs


def by_input():
    x, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    z = penalty()([layers.Dense(6, activation="relu", name="hidden")(x), labels])
    return keras.Model([x, labels], layers.Dense(3, name="logits")(z))


def wrapped(model):
    """Return the model nested in a plain one, which is made label aware."""
    start = keras.Input((5,))
    return keras_repreg.label_aware(keras.Model(start, model(start)))


KINDS = {
    "Sequential": lambda: keras_repreg.Sequential(stack()),
    "Model": lambda: keras_repreg.Model(*graph()),
    "derived": Derived,
    "derived graph": Graph,
    "label_aware(Sequential)": lambda: keras_repreg.label_aware(keras.Sequential(stack())),
    "label_aware(Model)": lambda: keras_repreg.label_aware(keras.Model(*graph())),
    "label_aware(own)": lambda: keras_repreg.label_aware(Own()),
    "nested": lambda: wrapped(keras.Sequential(stack())),
    "label input": by_input,
}


def save_and_load(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def weights_file(model, folder):
    model.save_weights(folder / "model.weights.h5")
    other = built(model.kind)
    other.load_weights(folder / "model.weights.h5")
    return other


WAYS = {
    "save and load": save_and_load,
    "weights file": weights_file,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "copy": lambda model, folder: copy.copy(model),
    "deep copy": lambda model, folder: copy.deepcopy(model),
    "clone": lambda model, folder: with_weights(keras.models.clone_model(model), model),
    "from_config": lambda model, folder: with_weights(type(model).from_config(model.get_config()), model),
    "around its tensors": lambda model, folder: keras.Model(model.inputs, model.outputs),
}
# Copies that are no longer label aware, because Keras returns a plain model or one of the user's class.
PLAIN = {
    ("Sequential", "clone"),
    ("label_aware(Sequential)", "clone"),
    ("derived graph", "clone"),
    *((kind, "around its tensors") for kind in KINDS),
    *(("label_aware(own)", way) for way in ("save and load", "pickle", "copy", "deep copy", "clone", "from_config")),
}
# Keras itself cannot copy these: a subclass has no graph.
IMPOSSIBLE = {(kind, "around its tensors") for kind in ("derived", "label_aware(own)")}


def with_weights(copied, model):
    if not copied.built:
        copied.build((None, 5))
    copied.set_weights(model.get_weights())
    return copied


def built(kind):
    keras.utils.set_random_seed(0)
    model = KINDS[kind]()
    vars(model)["kind"] = kind
    if not model.built:
        model.build((None, 5))
    model.compile("sgd", LOSS)
    return model


def inputs(kind):
    return [X, Y] if kind == "label input" else X


def weights_of(dense):
    return (np.asarray(keras.ops.convert_to_numpy(weight), "float64") for weight in (dense.kernel, dense.bias))


def expected_loss(model):
    """Return the cross-entropy plus twice the within-class variances, in NumPy."""
    by_name = {layer.name: layer for layer in keras_repreg.seam.all_sublayers(model)}
    kernel, bias = weights_of(by_name["hidden"])
    z = np.maximum(X @ kernel + bias, 0)
    variance = sum(z[k == Y].var(axis=0).sum() for k in range(3))
    kernel, bias = weights_of(by_name["logits"])
    logits = z @ kernel + bias
    entropy = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(24), Y]
    return entropy.mean() + 2.0 * variance


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_copies_stay_label_aware_or_report_that_they_are_not(kind, way, tmp_path):
    if (kind, way) in IMPOSSIBLE or (kind == "label input" and way == "clone"):
        pytest.skip("not supported by Keras")
    model = built(kind)
    expected = expected_loss(model)
    assert model.evaluate(inputs(kind), Y, batch_size=24, verbose=0) == pytest.approx(expected, rel=1e-4)
    try:
        copied = WAYS[way](model, tmp_path)
    except TypeError as error:  # from Keras 3.12 on, a subclass that builds a graph can be cloned
        assert (kind, way) == ("derived graph", "clone")
        pytest.skip(str(error))
    copied.compile("sgd", LOSS)
    if not is_label_aware(copied) and kind != "label input":
        assert (kind, way) in PLAIN
        with pytest.warns(UserWarning, match="left out of this evaluation") as warned:
            found = [copied.evaluate(X, Y, batch_size=24, verbose=0) for _ in range(2)]
        assert sum("left out" in str(warning.message) for warning in warned) == 1
        assert max(found) < 0.9 * expected
        if BACKEND != "jax":  # on JAX, Keras loses the weights if the first step fails
            with pytest.raises(ValueError, match="received no labels in training"):
                copied.fit(X, Y, verbose=0)
        copied = keras_repreg.label_aware(copied)
    assert copied.evaluate(inputs(kind), Y, batch_size=24, verbose=0) == pytest.approx(expected, rel=1e-4)
    copied.fit(inputs(kind), Y, batch_size=24, verbose=0)


@pytest.mark.slow
def test_copy_during_warm_up_has_the_same_loss(tmp_path):
    schedule = keras_repreg.WeightSchedule(lambda epoch: 0.25)
    for way in ("save and load", "pickle", "deep copy", "weights file"):
        model = built("Sequential")
        model.fit(X, Y, verbose=0, callbacks=[schedule])
        expected = model.evaluate(X, Y, batch_size=24, verbose=0)
        copied = WAYS[way](model, tmp_path)
        copied.compile("sgd", LOSS)
        assert copied.evaluate(X, Y, batch_size=24, verbose=0) == pytest.approx(expected, rel=1e-5), way
        assert copied.get_layer("penalty").weight_factor.value == 0.25


def test_lora_and_frozen_layers_keep_the_labels():
    model = built("label_aware(Sequential)")
    model.get_layer("hidden").enable_lora(2)
    model.get_layer("logits").trainable = False
    model.compile("sgd", LOSS)
    assert model.evaluate(X, Y, batch_size=24, verbose=0) == pytest.approx(expected_loss(model), rel=1e-4)
    model.fit(X, Y, verbose=0)


def test_prediction_does_not_warn():
    model = keras.Sequential(stack())
    model.compile("sgd", LOSS)
    model.predict(X, verbose=0)
    model(X, training=False)


def test_scikit_learn_wrappers_accept_a_model_building_function():
    pytest.importorskip("sklearn")

    def build(X, y):
        model = keras_repreg.Sequential([*stack()[:-1], layers.Dense(3, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy")
        return model

    keras.wrappers.SKLearnClassifier(build, fit_kwargs={"verbose": 0}).fit(X, Y)
    with pytest.raises(ValueError, match="`keras.wrappers` clone a model, so pass them a function"):
        keras.wrappers.SKLearnClassifier(build(X, Y), fit_kwargs={"verbose": 0}).fit(X, Y)


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX a step needs the model's state")
def test_custom_step_with_other_batches_can_open_a_label_scope():
    seen = []

    class Four(keras_repreg.Sequential):
        def train_step(self, data):
            x, y, weight, labels = data
            assert keras_repreg.labels.current_labels() is None
            with keras_repreg.label_scope(labels):
                seen.append(keras_repreg.labels.current_labels())
                return super().train_step((x, y, weight))

    model = Four(stack())
    model.compile("sgd", LOSS)
    batch = tuple(keras.ops.convert_to_tensor(part) for part in (X, Y, np.ones(24, "float32"), Y))
    logs = model.train_step(batch)
    assert np.isfinite(float(logs["loss"]))
    assert seen[0] is batch[3]


def test_model_can_be_subclassed_and_called():
    assert isinstance(keras_repreg.Model(*graph()), keras_repreg.Model)
    assert isinstance(Derived(), keras_repreg.Model)
    assert issubclass(Graph, keras_repreg.Model)
    assert not isinstance(keras.Sequential(stack()), keras_repreg.Model)
    Graph()
    assert Derived.__mro__.index(keras.Model) > 0  # as before a graph was built
    assert keras_repreg.Model(*graph(), name="mine").name == "mine"
    with pytest.raises(TypeError, match="label_key"):
        keras_repreg.Model(*graph(), label_key="digit")


FORMS = {
    "fractions": (Y[:, None] * 0.9 + 0.05).astype("float32"),
    "regression": RNG.normal(size=(24, 1)).astype("float32"),
    "multi-hot": np.tile([1, 1, 0], (24, 1)).astype("float32"),
    "negative shares": np.tile([1.5, -0.5, 0], (24, 1)).astype("float32"),
    "NaN": np.full(24, np.nan, "float32"),
}


def datasets(y):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, y

    yield {"x": X, "y": y}
    yield {"x": Batches()}
    yield {"x": (batch for batch in [(X, y)]), "steps_per_epoch": 1}
    try:
        import tensorflow as tf

        yield {"x": tf.data.Dataset.from_tensor_slices((X, y)).batch(24)}
    except ImportError:
        pass
    if BACKEND == "torch":
        import torch

        data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
        yield {"x": torch.utils.data.DataLoader(data, batch_size=24)}


@pytest.mark.parametrize("kind", ["Sequential", "label_aware(own)"])
@pytest.mark.parametrize("form", FORMS)
def test_targets_without_class_labels_raise_before_training(form, kind):
    model = built(kind)
    model.compile("sgd", "mse")
    before = model.get_weights()
    for run in (model.fit, model.evaluate):
        for data in datasets(FORMS[form]):
            steps = data.pop("steps_per_epoch", None) and {("steps_per_epoch" if run == model.fit else "steps"): 1}
            with pytest.raises(ValueError, match=r"'penalty': Expected `labels`.*Received: "):
                run(**data, **(steps or {}), verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_targets_are_ignored_if_a_subclass_passes_labels():
    class Passing(keras_repreg.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.logits = layers.Dense(6), layers.Dense(1)
            self.penalty = keras_repreg.ClasswiseVarianceRegularization(0.1)

        def call(self, inputs):
            return self.logits(self.penalty(self.hidden(inputs["x"]), labels=inputs["labels"]))

    model = Passing()
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit({"x": X, "labels": Y}, FORMS["regression"], verbose=0).history["loss"]).all()


def test_only_targets_used_as_labels_are_checked():
    x, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    z = layers.Dense(6, name="hidden")(x)
    z = keras_repreg.ClasswiseVarianceRegularization(0.1)([z, labels])
    outputs = {"a": layers.Dense(1, name="a")(z), "b": layers.Dense(1, name="b")(z)}
    model = keras_repreg.Model([x, labels], outputs)
    model.compile("sgd", {"a": "mse", "b": "mse"})
    targets = {"a": FORMS["regression"], "b": FORMS["regression"]}
    assert np.isfinite(model.fit([X, Y], targets, verbose=0).history["loss"]).all()


def test_ids_beyond_int32_raise():
    model = built("Sequential")
    for labels in (Y.astype("int64") * 2**32, Y.astype("float64") * 2.0**32):
        with pytest.raises(ValueError, match="fit in int32"):
            model.fit(X, labels, verbose=0)


def test_no_batch_of_a_validation_generator_is_skipped():
    read = []

    def batches():
        for number in range(3):
            read.append(number)
            yield X, Y

    # Keras reads all of it, and warns if a batch is missing.
    history = built("Sequential").fit(X, Y, validation_data=batches(), validation_steps=3, verbose=0).history
    assert (read, len(history["val_loss"])) == ([0, 1, 2], 1)


def test_generator_is_not_closed_and_validation_reads_it_once():
    def forever():
        while True:
            yield X, Y

    model, source = built("Sequential"), forever()
    for _ in range(2):
        model.fit(source, steps_per_epoch=2, verbose=0)
        model.evaluate(source, steps=2, verbose=0)
    history = model.fit(X, Y, epochs=3, validation_data=forever(), validation_steps=2, verbose=0).history
    assert len(history["val_loss"]) == 3
    with pytest.raises(ValueError, match="'penalty': Expected `labels`"):
        model.fit(X, Y, validation_data=(X, FORMS["fractions"]), verbose=0)


def test_steps_of_mixins_see_the_labels():
    class Mixin:
        def test_step(self, *args):
            assert keras_repreg.labels.current_labels() is not None
            return super().test_step(*args)

    class Mixed(Mixin, keras_repreg.Sequential):
        pass

    model = Mixed(stack())
    model.compile("sgd", LOSS)
    assert model.evaluate(X, Y, batch_size=24, verbose=0) == pytest.approx(expected_loss(model), rel=1e-4)


def test_a_factor_of_one_is_restored(tmp_path):
    model = built("Sequential")
    model.fit(X, Y, verbose=0, callbacks=[keras_repreg.WeightSchedule(lambda epoch: 1.0)])
    expected = model.evaluate(X, Y, batch_size=24, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    model.fit(X, Y, verbose=0, callbacks=[keras_repreg.WeightSchedule(lambda epoch: 0.0)])
    model.load_weights(tmp_path / "model.weights.h5")
    assert model.evaluate(X, Y, batch_size=24, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_factor_unknown_to_compiled_functions_warns_and_schedules_recompile(tmp_path):
    model = built("Sequential")
    model.fit(X, Y, verbose=0, callbacks=[keras_repreg.WeightSchedule(lambda epoch: 0.5)])
    model.save_weights(tmp_path / "model.weights.h5")
    expected = model.evaluate(X, Y, batch_size=24, verbose=0)
    other = built("Sequential")
    other.fit(X, Y, verbose=0)
    if BACKEND == "tensorflow":
        with pytest.warns(UserWarning, match="weight factor 0.5 .* call `compile` again"):
            other.load_weights(tmp_path / "model.weights.h5")
        other.compile("sgd", LOSS)
    else:
        other.load_weights(tmp_path / "model.weights.h5")
    assert other.evaluate(X, Y, batch_size=24, verbose=0) == pytest.approx(expected, rel=1e-5)
    schedule = keras_repreg.WeightSchedule(lambda epoch: 0.0)
    logs = other.fit(X, Y, verbose=0, callbacks=[schedule, keras_repreg.PenaltyLogger()]).history
    assert logs["penalty_penalty"] == [0.0]


@pytest.mark.parametrize("form", FORMS)
def test_layers_and_measure_reject_the_same_labels(form):
    y = FORMS[form]
    layer = penalty()
    with pytest.raises(ValueError, match=r"Expected `labels`.*Received: "):
        layer(X, labels=y)
    model = built("Sequential")
    with pytest.raises(ValueError, match=r"Expected `labels`.*Received: "):
        keras_repreg.measure(model, (X, y), "hidden", labels=True)


def test_class_labels_of_every_form_are_accepted():
    one_hot = np.eye(3, dtype="float32")[Y]
    rows = keras.losses.CategoricalCrossentropy(from_logits=True)
    forms = [(one_hot, rows), (0.9 * one_hot + 0.1 / 3, rows)]
    forms += [(y, LOSS) for y in (Y, Y[:, None], Y.astype("float32"), Y.astype("int64"))]
    for y, loss in forms:
        model = built("Sequential")
        model.compile("sgd", loss)
        losses = [model.fit(**data, verbose=0).history["loss"] for data in datasets(y)]
        assert np.isfinite(losses).all()


def test_smoothed_binary_labels_are_soft_labels():
    z = RNG.normal(size=(24, 4))
    p = np.where(Y > 0, 0.95, 0.05)
    expected = 0.0
    for r in (1 - p, p):
        mean = (r[:, None] * z).sum(axis=0) / r.sum()
        expected += (r[:, None] * (z - mean) ** 2).sum() / r.sum()
    for labels in (p, p[:, None]):
        layer = keras_repreg.ClasswiseVarianceRegularization(1.0, soft_labels=True)
        layer(z.astype("float32"), labels=labels.astype("float32"))
        assert float(layer.losses[0]) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="from 0 to 1. Received"):
        layer(z.astype("float32"), labels=(p + 1).astype("float32"))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has unknown shapes")
def test_one_hot_labels_of_unknown_shape_need_the_number_of_classes():
    import tensorflow as tf

    z, one_hot = RNG.normal(size=(24, 4)).astype("float32"), np.eye(3, dtype="float32")[Y]
    layer = keras_repreg.ClasswiseVarianceRegularization(1.0, num_classes=3)

    @tf.function(input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, 4))])
    def loss(labels, z):
        layer(z, labels=labels)
        return layer.losses[0]

    expected = sum(z[k == Y].var(axis=0).sum() for k in range(3))
    assert float(loss(one_hot, z)) == pytest.approx(expected, rel=1e-4)


def test_sparse_activations_match_dense_ones():
    z = np.maximum(RNG.normal(size=(6, 4)), 0).astype("float32")
    if BACKEND == "tensorflow":
        import tensorflow as tf

        sparse = tf.sparse.from_dense(z)
    elif BACKEND == "jax":
        from jax.experimental import sparse as jax_sparse

        sparse = jax_sparse.BCOO.fromdense(z)
    else:
        pytest.skip("Keras has no sparse tensors on PyTorch")
    layer = keras_repreg.L1Regularization(1.0)
    layer(sparse)
    assert float(layer.losses[0]) == pytest.approx(z.sum(), rel=1e-5)


class Cell(layers.Layer):
    """A recurrent cell that contains a penalty."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.state_size = 4
        self.dense = layers.Dense(4)
        self.penalty = keras_repreg.L1Regularization(1.0, name="penalty")

    def build(self, shape):
        self.dense.build(shape)
        self.penalty.build((None, 4))

    def call(self, x, states):
        z = self.penalty(self.dense(x))
        return z, [z]


def test_penalty_in_an_rnn_loop_raises():
    x = RNG.normal(size=(6, 3, 5)).astype("float32")
    rnn = layers.RNN(Cell(), name="rnn")
    with pytest.raises(ValueError, match="in a cell of 'rnn', which runs in a loop; `unroll=True`"):
        rnn(x)
    model = keras.Sequential([keras.Input((3, 5)), layers.RNN(Cell(), unroll=True), layers.Dense(2)])
    model.compile("sgd", "mse")
    history = model.fit(x, np.zeros((6, 2)), verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert np.isfinite(history["penalty_penalty"]).all()


def test_model_in_annotations():
    model = keras_repreg.Model(*graph())
    for union in (keras_repreg.Model | None, None | keras_repreg.Model, keras_repreg.Model | int):
        assert isinstance(model, union)
        assert not isinstance("model", union)
    assert not isinstance(keras.Sequential(), keras_repreg.Model | None)
    assert keras_repreg.Model | keras_repreg.Model
