"""Decorrelated batch normalization: batch whitening in training, moving averages at inference."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_repreg
from tests import reference
from tests.layers.test_in_models import compiled, data

BACKEND = keras.backend.backend()
DBN = keras_repreg.DecorrelatedBatchNormalization
EXACT = {"method": "exact"}
NEWTON = {"method": "newton_schulz", "iterations": 12}
METHODS = [EXACT, NEWTON]


def correlated(samples=400, units=6, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(units, units))
    return (rng.normal(size=(samples, units)) @ mixing + rng.normal(size=units)).astype("float32")


def called(layer, z, **arguments):
    return ops.convert_to_numpy(ops.cast(layer(ops.convert_to_tensor(z), **arguments), "float32"))


def whitened(z, epsilon=1e-5):
    """Return (z - mu) C^(-1/2) in float64, from a singular value decomposition."""
    z = np.asarray(z, "float64")
    centered = z - z.mean(axis=0)
    values, vectors = np.linalg.eigh(reference.covariance(z) + epsilon * np.eye(z.shape[1]))
    return centered @ vectors @ np.diag(values**-0.5) @ vectors.T


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_training_output_has_identity_covariance(arguments):
    out = called(DBN(**arguments), correlated(), training=True)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(reference.covariance(out.astype("float64")), np.eye(6), atol=0.05)


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_whitening_is_symmetric(arguments):
    z = correlated()
    np.testing.assert_allclose(called(DBN(**arguments), z, training=True), whitened(z), atol=0.02)


def test_five_iterations_whiten_well_conditioned_activations():
    z = np.random.default_rng(0).normal(size=(500, 8)).astype("float32") + 3
    out = called(DBN(method="newton_schulz"), z, training=True)
    np.testing.assert_allclose(reference.covariance(out.astype("float64")), np.eye(8), atol=0.05)


def test_iterations_match_newton_schulz():
    z = correlated(60, 4)
    centered = (z - z.mean(axis=0)).astype("float64")
    covariance = centered.T @ centered / 60 + 1e-5 * np.eye(4)
    scaled, p = covariance / np.trace(covariance), np.eye(4)
    for iterations in range(1, 6):
        p = (3 * p - p @ p @ p @ scaled) / 2
        expected = centered @ p / np.sqrt(np.trace(covariance))
        found = called(DBN(method="newton_schulz", iterations=iterations), z, training=True)
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_groups_are_whitened_separately(arguments):
    z = correlated()
    out = called(DBN(groups=3, **arguments), z, training=True)
    for start in (0, 2, 4):
        expected = called(DBN(**arguments), z[:, start : start + 2], training=True)
        np.testing.assert_allclose(out[:, start : start + 2], expected, atol=1e-4)
    # With as many groups as units, it is batch normalization.
    out = called(DBN(groups=6, **arguments), z, training=True)
    np.testing.assert_allclose(out, (z - z.mean(axis=0)) / z.std(axis=0), atol=1e-3)


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_inference_uses_moving_averages(arguments):
    layer = DBN(momentum=0.75, **arguments)
    mean, matrix = np.zeros(4), np.eye(4)
    for seed in range(3):
        z = correlated(200, 4, seed)
        called(layer, z, training=True)
        batch = np.asarray(z, "float64")
        centered = batch - batch.mean(axis=0)
        mean = 0.75 * mean + 0.25 * batch.mean(axis=0)
        matrix = 0.75 * matrix + 0.25 * np.linalg.lstsq(centered, whitened(z), rcond=None)[0]
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), mean, atol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_matrix)[0], matrix, atol=5e-3)
    other = correlated(50, 4, 9)
    before = ops.convert_to_numpy(layer.moving_mean)
    np.testing.assert_allclose(called(layer, other, training=False), (other - mean) @ matrix, atol=0.05)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.moving_mean), before)
    layer.trainable = False
    np.testing.assert_array_equal(called(layer, other, training=True), called(layer, other, training=False))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.moving_mean), before)


def test_gamma_and_beta():
    z = correlated(100, 4)
    layer = DBN()
    layer.build((None, 4))
    assert [weight.name for weight in layer.trainable_weights] == ["gamma", "beta"]
    layer.gamma.assign([1.0, 2.0, 3.0, 4.0])
    layer.beta.assign([0.0, 1.0, 0.0, -1.0])
    plain = DBN(center=False, scale=False)
    expected = called(plain, z, training=True) * [1, 2, 3, 4] + [0, 1, 0, -1]
    np.testing.assert_allclose(called(layer, z, training=True), expected, atol=1e-4)
    assert plain.trainable_weights == []


def slope(layer, z, direction):
    """Return the gradient of sum(direction * out^2) with respect to the input, in training."""
    z = ops.convert_to_tensor(z)
    direction = ops.convert_to_tensor(direction)

    def loss_of(t):
        return ops.sum(direction * ops.square(layer(t, training=True)))

    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = loss_of(z)
        return tape.gradient(loss, z).numpy()
    if BACKEND == "jax":
        import jax

        variables = [variable.value for variable in layer.variables]
        trainable, moving = variables[: len(layer.trainable_variables)], variables[len(layer.trainable_variables) :]

        def pure(t):
            out, _ = layer.stateless_call(trainable, moving, t, training=True)
            return ops.sum(direction * ops.square(out))

        return np.asarray(jax.grad(pure)(z))
    z = z.clone().detach().requires_grad_(True)
    loss_of(z).backward()
    return z.grad.cpu().numpy()


@pytest.mark.parametrize("arguments", [EXACT, {"method": "newton_schulz", "iterations": 5}], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_gradient_matches_finite_differences(arguments, groups):
    exact = BACKEND == "tensorflow"  # JAX has no float64 by default, and Keras multiplies in float32 on PyTorch
    dtype = "float64" if exact else "float32"
    z = correlated(12, 4).astype(dtype)
    direction = np.random.default_rng(1).normal(size=z.shape).astype(dtype)
    layer = DBN(groups=groups, dtype=dtype, **arguments)
    layer.build(z.shape)

    def value(z):
        total = 0.0
        for part in np.split(np.arange(4), groups):
            columns = np.asarray(z[:, part], "float64")
            if arguments["method"] == "exact":
                out = whitened(columns)
            else:
                centered = columns - columns.mean(axis=0)
                covariance = centered.T @ centered / 12 + 1e-5 * np.eye(len(part))
                scaled, p = covariance / np.trace(covariance), np.eye(len(part))
                for _ in range(5):
                    p = (3 * p - p @ p @ p @ scaled) / 2
                out = centered @ p / np.sqrt(np.trace(covariance))
            total += (direction[:, part] * out**2).sum()
        return total

    expected = reference.finite_difference(value, z.astype("float64"))
    tolerance = 1e-6 if exact else 1e-3
    np.testing.assert_allclose(slope(layer, z, direction), expected, atol=tolerance * np.abs(expected).max())


DEGENERATE = {
    "zero": np.zeros((6, 4), "float32"),
    "constant": np.full((6, 4), 0.5, "float32"),
    "one sample": np.array([[1.0, 0.0, 3.0, -2.0]], "float32"),
    "equal eigenvalues": np.concatenate([np.eye(4), -np.eye(4)]).astype("float32"),
    "equal units": np.arange(6, dtype="float32")[:, None] * np.ones(4, "float32"),
    "fewer samples than units": correlated(3, 4),
    "large": 1e6 * correlated(20, 4),
    "large and of rank one": 1e6 * np.arange(6, dtype="float32")[:, None] * np.array([1.0, 0.3, -2.0, 0.7], "float32"),
}


@pytest.mark.parametrize("z", DEGENERATE.values(), ids=list(DEGENERATE))
@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_degenerate_batches_have_finite_values_and_gradients(arguments, z):
    layer = DBN(**arguments)
    layer.build(z.shape)
    assert np.isfinite(called(layer, z, training=True)).all()
    assert np.isfinite(slope(layer, z, np.ones_like(z))).all()
    for moving in (layer.moving_mean, layer.moving_matrix):
        assert np.isfinite(ops.convert_to_numpy(moving)).all()


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_single_sample_does_not_change_the_moving_averages(arguments):
    layer = DBN(momentum=0.0, **arguments)
    called(layer, correlated(50, 4), training=True)
    before = [ops.convert_to_numpy(moving) for moving in (layer.moving_mean, layer.moving_matrix)]
    called(layer, DEGENERATE["one sample"], training=True)
    for old, moving in zip(before, (layer.moving_mean, layer.moving_matrix), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(moving), old)


@pytest.mark.parametrize("arguments", METHODS, ids=str)
def test_nonfinite_input_gives_nonfinite_output(arguments):
    z = correlated(20, 4)
    z[3, 1] = np.nan
    assert np.isnan(called(DBN(**arguments), z, training=True)).any()


def test_empty_batch():
    layer = DBN()
    assert called(layer, np.zeros((0, 4), "float32"), training=True).shape == (0, 4)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.moving_matrix)[0], np.eye(4))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_channels_and_masked_positions(data_format):
    z = correlated(60, 4).reshape(10, 3, 2, 4)
    mask = np.random.default_rng(0).random((10, 3, 2)) < 0.7
    first = data_format == "channels_first"
    passed = np.moveaxis(z, -1, 1) if first else z
    layer = DBN(units="channels", data_format=data_format)
    out = called(layer, passed, training=True)
    assert out.shape == passed.shape
    out = np.moveaxis(out, 1, -1) if first else out
    np.testing.assert_allclose(out.reshape(60, 4), called(DBN(), z.reshape(60, 4), training=True), atol=1e-4)

    hidden = np.where(mask[..., None], z, np.nan).astype("float32")
    hidden = np.moveaxis(hidden, -1, 1) if first else hidden
    layer = DBN(units="channels", data_format=data_format)
    out = called(layer, hidden, training=True, mask=ops.convert_to_tensor(mask))
    out = np.moveaxis(out, 1, -1) if first else out
    np.testing.assert_allclose(out[mask], called(DBN(), z[mask], training=True), atol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), 0.01 * z[mask].mean(axis=0), rtol=1e-3)


def test_flatten():
    z = correlated(60, 6)
    out = called(DBN(units="flatten"), z.reshape(60, 3, 2), training=True)
    np.testing.assert_allclose(out.reshape(60, 6), called(DBN(), z, training=True), atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_upcast(policy):
    z = 500 * correlated(100, 4)  # whose squares overflow float16
    layer = DBN(dtype=keras.DTypePolicy(policy))
    out = layer(ops.convert_to_tensor(z), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == policy.removeprefix("mixed_")
    assert layer.moving_matrix.dtype == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(out, "float32")), whitened(z), atol=0.1)


def stack(**arguments):
    return [
        keras.Input((5,)),
        keras.layers.Dense(12),
        DBN(name="whitened", **arguments),
        keras.layers.Activation("relu"),
        keras.layers.Dense(3),
    ]


COMPILE = [{"run_eagerly": True}, {}] if BACKEND != "torch" else [{"run_eagerly": True}]


@pytest.mark.parametrize("arguments", METHODS, ids=str)
@pytest.mark.parametrize("options", COMPILE, ids=str)
def test_training_saving_and_loading(arguments, options, tmp_path):
    x, y = data(96)
    keras.utils.set_random_seed(0)
    model = compiled(keras.Sequential(stack(groups=3, momentum=0.9, **arguments)), **options)
    history = model.fit(x, y, batch_size=48, epochs=15, validation_data=(x, y), verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert np.isfinite(history["val_loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert loaded.get_layer("whitened").get_config() == model.get_layer("whitened").get_config()
    loaded.fit(x, y, verbose=0)
    clone = keras.models.clone_model(model)
    assert clone.get_layer("whitened").groups == 3


@pytest.mark.skipif(BACKEND == "torch", reason="does not compile on PyTorch")
def test_newton_schulz_is_compiled_by_default_and_the_exact_method_on_request():
    for arguments, expected in ((EXACT, BACKEND != "tensorflow"), (NEWTON, True)):
        assert DBN(**arguments).supports_jit == expected
    x, y = data(48)
    weights = []
    for options in ({"jit_compile": True}, {"jit_compile": False}):
        keras.utils.set_random_seed(0)
        model = compiled(keras.Sequential(stack(**NEWTON)), **options)
        model.fit(x, y, batch_size=48, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"groups": 0}, ValueError),
        ({"groups": 2.0}, TypeError),
        ({"iterations": 0}, ValueError),
        ({"iterations": True}, TypeError),
        ({"method": "cholesky"}, ValueError),
        ({"momentum": 1.0}, ValueError),
        ({"momentum": "0.9"}, TypeError),
        ({"epsilon": 0.0}, ValueError),
        ({"epsilon": -1.0}, ValueError),
        ({"center": 1}, TypeError),
        ({"scale": None}, TypeError),
        ({"synchronized": "yes"}, TypeError),
        ({"units": "rows"}, ValueError),
    ],
    ids=str,
)
def test_arguments(arguments, error):
    ((name, value),) = arguments.items()
    with pytest.raises(error, match=f"`{name}`.*Received: {name}={value!r}"):
        DBN(**arguments)


def test_incompatible_shapes_raise():
    with pytest.raises(ValueError, match="Expected `groups` of .* to divide .*Received: groups=3, inputs.shape=.*4"):
        DBN(groups=3)(np.ones((5, 4), "float32"))
    with pytest.raises(ValueError, match=r"\(samples, units\).*Received: inputs.shape="):
        DBN()(np.ones((5, 2, 4), "float32"))
    with pytest.raises(ValueError, match="a known number of units"):
        DBN(units="flatten")(keras.Input((None, 4)))
