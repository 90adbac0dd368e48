"""For activations with more than two dimensions, the penalty is that of the reshaped array."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_repreg
from tests.layers.cases import CASES, CLASSWISE, batch, penalty

SHAPES = [(6, 5, 4), (4, 2, 3, 9), (2, 2, 1, 3, 2)]
ONE = CLASSWISE[0]


def arrays(shape):
    z, labels = batch(int(np.prod(shape[:-1])), shape[-1], 3)
    return z.reshape(shape), labels[: shape[0]]


def loss(layer, z, labels, case):
    return penalty(layer, z, labels if case.classwise else None)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_channels(case, shape, data_format):
    z, labels = arrays(shape)
    positions = int(np.prod(shape[1:-1]))
    expected = case.oracle(z.reshape(-1, shape[-1]), np.repeat(labels, positions))
    z = np.moveaxis(z, -1, 1) if data_format == "channels_first" else z
    layer = case.make(units="channels", data_format=data_format)
    assert loss(layer, z, labels, case) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_flatten(case, shape):
    z, labels = arrays(shape)
    expected = case.oracle(z.reshape(shape[0], -1), labels)
    assert loss(case.make(units="flatten"), z, labels, case) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalized_by_the_terms_of_the_reshaped_array(case):
    z, labels = arrays((6, 5, 4))
    repeated = np.repeat(labels, 5)
    expected = case.normalized_oracle(z.reshape(-1, 4), repeated)
    layer = case.make(units="channels", normalize=True)
    assert loss(layer, z, labels, case) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("units", ["channels", "flatten"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_matrices_are_unchanged(case, units):
    z, labels = batch(8, 5, 3)
    assert loss(case.make(units=units), z, labels, case) == loss(case.make(), z, labels, case)


def test_default_data_format_is_that_of_keras(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    z, _ = arrays((6, 5, 4))
    layer = keras_repreg.VarianceRegularization(1.0, units="channels")
    expected = penalty(keras_repreg.VarianceRegularization(1.0), np.moveaxis(z, 1, -1).reshape(-1, 5))
    assert penalty(layer, z) == pytest.approx(expected, rel=1e-5)
    assert layer.get_config()["data_format"] == "channels_first"


@pytest.mark.parametrize(
    "form",
    [
        lambda ids: ids,
        lambda ids: ids[:, None],
        lambda ids: np.eye(3, dtype="int32")[ids],
        lambda ids: np.repeat(ids[:, None, None], 5, 1),
        lambda ids: np.repeat(np.eye(3, dtype="float32")[ids][:, None], 5, 1),
    ],
    ids=["(N,)", "(N, 1)", "(N, K)", "(N, P, 1)", "(N, P, K)"],
)
def test_forms_of_labels(form):
    z, labels = arrays((6, 5, 4))
    expected = ONE.oracle(z.reshape(-1, 4), np.repeat(labels, 5))
    assert penalty(ONE.make(units="channels"), z, form(labels)) == pytest.approx(expected, rel=1e-4)


def test_labels_of_pixels():
    z, _ = arrays((4, 2, 3, 9))
    labels = np.random.default_rng(1).integers(0, 3, (4, 2, 3)).astype("int32")
    expected = ONE.oracle(z.reshape(-1, 9), labels.reshape(-1))
    assert penalty(ONE.make(units="channels"), z, labels) == pytest.approx(expected, rel=1e-4)
    first = np.moveaxis(z, -1, 1)
    layer = ONE.make(units="channels", data_format="channels_first")
    assert penalty(layer, first, labels) == pytest.approx(expected, rel=1e-4)


def test_integers_of_the_positions_shape_are_ids():
    z, _ = arrays((6, 5, 9))
    labels = np.random.default_rng(1).integers(0, 3, (6, 5)).astype("int32")
    expected = ONE.oracle(z.reshape(-1, 9), labels.reshape(-1))
    assert penalty(ONE.make(units="channels"), z, labels) == pytest.approx(expected, rel=1e-4)
    # These could also be one-hot labels of the samples.
    one_hot = np.eye(5, dtype="int32")[[0, 1, 2, 3, 4, 0]]
    with pytest.raises(ValueError, match="cannot tell whether"):
        penalty(ONE.make(units="channels"), z, one_hot)
    assert penalty(ONE.make(units="channels", num_classes=2), z, one_hot) > 0
    for ambiguous, arguments in ((labels, {"num_classes": 5}), (labels.astype("float32"), {})):
        with pytest.raises(ValueError, match=r"cannot tell whether.*Received: labels.shape=\(6, 5\)"):
            penalty(ONE.make(units="channels", **arguments), z, ambiguous)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3,), "additional dimensions"), ((6, 4, 1), "additional dimensions")],
    ids=str,
)
def test_labels_that_match_no_positions_raise(shape, message):
    z, _ = arrays((6, 5, 4))
    with pytest.raises(ValueError, match=rf"(?s){message}.*Received: labels.shape="):
        penalty(ONE.make(units="channels"), z, np.zeros(shape, "int32"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_more_than_two_dimensions_require_an_argument(case):
    z, labels = arrays((6, 5, 4))
    with pytest.raises(ValueError, match=r"units='channels'.*units='flatten'.*Received: inputs.shape=\(6, 5, 4\)"):
        loss(case.make(), z, labels, case)


@pytest.mark.parametrize(
    "arguments", [{"units": "positions"}, {"data_format": "NHWC"}, {"units": True}], ids=lambda a: next(iter(a))
)
def test_arguments(arguments):
    with pytest.raises(ValueError, match="Expected `.*Received: "):
        keras_repreg.L1Regularization(**arguments)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has unknown shapes")
@pytest.mark.parametrize(("units", "shape"), [("flatten", (2, None, 4)), ("channels", (2, 3, None))])
def test_unknown_number_of_units_raises(units, shape):
    import tensorflow as tf

    layer = keras_repreg.L1Regularization(units=units)
    function = tf.function(lambda z: layer.call(z), input_signature=[tf.TensorSpec(shape)])
    with pytest.raises(ValueError, match="known number of units"):
        function(tf.ones((2, 3, 4)))


def test_graph_with_too_many_dimensions_raises_at_construction():
    with pytest.raises(ValueError, match=r"units='channels'.*Received: inputs.shape=\(None, 5, 4\)"):
        keras_repreg.L1Regularization()(keras.Input((5, 4)))
    with pytest.raises(ValueError, match=r"units='channels'.*Received: inputs.shape=\(None, 5, 4\)"):
        ONE.make()([keras.Input((5, 4)), keras.Input((), dtype="int32")])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sequences_of_any_length_train(case):
    inputs, labels = keras.Input((None, 4)), keras.Input((), dtype="int32")
    layer = case.make(0.5, units="channels", name="penalty")
    taken = [inputs, labels] if case.classwise else inputs
    z = layer(taken)
    assert z.shape == (None, None, 4)
    assert layer.compute_output_shape((None, None, 4)) == (None, None, 4)
    model = keras.Model(taken, keras.layers.GlobalAveragePooling1D()(z))
    model.compile("sgd", "mse", jit_compile=False)
    z, labels = arrays((6, 5, 4))
    target = z.mean(axis=1)
    found = model.evaluate([z, labels] if case.classwise else z, target, batch_size=6, verbose=0)
    assert found == pytest.approx(0.5 * case.oracle(z.reshape(-1, 4), np.repeat(labels, 5)), rel=1e-4)
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()


def test_convolutional_network_trains(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 6, 6, 1)).astype("float32"), rng.integers(0, 3, 24)
    model = keras_repreg.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(5, 3, activation="relu"),
            keras_repreg.ClasswiseCovarianceRegularization(0.1, units="channels"),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras_repreg.RankRegularization(0.1, units="flatten"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class WeightedEnergy(keras_repreg.layers.RepresentationRegularization):
    """A penalty that can exclude rows."""

    def omega(self, z, sample_weight=None):
        energy = ops.sum(ops.square(z), axis=1)
        return ops.sum(energy if sample_weight is None else energy * sample_weight)

    def normalizer(self, z, sample_weight=None):
        return z.shape[0] if sample_weight is None else ops.sum(sample_weight)


TOKENS = np.array([[1, 2, 0, 0], [3, 1, 2, 0], [1, 0, 0, 0]])


def test_masked_positions_are_excluded():
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    for layer in (WeightedEnergy(0.5, units="channels"), WeightedEnergy(0.5, units="channels", normalize=True)):
        model = keras.Sequential([keras.Input((4,)), embedding, layer])
        model(TOKENS)
        rows = ops.convert_to_numpy(embedding(TOKENS))[TOKENS > 0]
        expected = 0.5 * np.sum(rows**2) / (len(rows) if layer.normalize else 1)
        assert float(ops.convert_to_numpy(model.losses[0])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_masked_values_do_not_affect_any_penalty(case, normalize):
    """The value depends only on the unmasked positions."""
    z, labels = arrays((6, 5, 4))
    mask = np.random.default_rng(1).random((6, 5)) < 0.6
    rows, repeated = z[mask], np.repeat(labels, 5).reshape(6, 5)[mask]
    expected = case.normalized_oracle(rows, repeated) if normalize else case.oracle(rows, repeated)
    layer = case.make(units="channels", normalize=normalize)
    z = np.where(mask[..., None], z, np.nan).astype("float32")
    layer([z, labels] if case.classwise else z, mask=[mask, None] if case.classwise else mask)
    assert float(ops.convert_to_numpy(layer.losses[0])) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("as_keyword", [False, True])
def test_masks_reach_layers_with_labels(as_keyword):
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    layer = ONE.make(units="channels")
    inputs, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    z = embedding(inputs)
    z = layer(z, labels=labels) if as_keyword else layer([z, labels])
    model = keras.Model([inputs, labels], keras.layers.LSTM(2)(z))
    ids = np.array([0, 1, 0])
    model([TOKENS, ids])
    rows = ops.convert_to_numpy(embedding(TOKENS))[TOKENS > 0]
    expected = ONE.oracle(rows, np.repeat(ids, 4).reshape(3, 4)[TOKENS > 0])
    assert float(ops.convert_to_numpy(model.losses[0])) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_mask_of_samples_excludes_samples():
    z = np.arange(6, dtype="float32").reshape(3, 2)
    layer = WeightedEnergy(1.0)
    layer(z, mask=np.array([True, False, True]))
    assert float(layer.losses[0]) == 1 + 16 + 25


def test_masks_that_cannot_be_used_raise():
    z, mask = np.ones((3, 4, 2), "float32"), np.ones((3, 4), bool)

    class Plain(keras_repreg.layers.RepresentationRegularization):
        def omega(self, z):
            return ops.sum(z)

    with pytest.raises(ValueError, match=r"to take `sample_weight`.*Received: a mask of 12 rows"):
        Plain(units="channels")(z, mask=mask)
    with pytest.raises(ValueError, match=r"not of single units.*Received: mask.shape=\(3, 4\)"):
        WeightedEnergy(units="flatten")(z, mask=mask)
