"""The named transformations after linear and ReLU layers, in dense and convolutional networks."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import keras_repreg
from keras_repreg import ion
from keras_repreg.characteristics import accumulate
from tests.ion.networks import build, nonsingular, output, representation

X = np.random.default_rng(0).normal(1.0, 2.0, size=(200, 5)).astype("float32")
IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 2)).astype("float32")


def relu(units=6, separate=False):
    keras.utils.set_random_seed(0)
    activation = [layers.ReLU(name="relu")] if separate else []
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(units, activation=None if separate else "relu", name="z", bias_initializer="normal"),
            *activation,
            layers.Dense(3, name="next"),
        ]
    )


def covariance(model, x=X):
    return accumulate(model, x, "z")["z"].moments.covariance


MAKERS = {"linear": build, "relu": relu, "separate relu": lambda: relu(separate=True)}


@pytest.mark.parametrize("maker", MAKERS)
def test_permute(maker):
    model = MAKERS[maker]()
    y, z = output(model, X), representation(model, X)
    order = [3, 0, 5, 1, 4, 2]
    assert ion.permute(model, "z", order) is model
    np.testing.assert_allclose(output(model, X), y, atol=1e-5)
    np.testing.assert_allclose(representation(model, X), z[:, order], atol=1e-5)


@pytest.mark.parametrize("maker", MAKERS)
def test_rescale(maker):
    model = MAKERS[maker]()
    y, z = output(model, X), representation(model, X)
    before = keras_repreg.measure(model, X, "z")["z"]
    factors = np.array([0.5, 2.0, 1.0, 3.0, 0.1, 10.0])
    ion.rescale(model, "z", factors)
    np.testing.assert_allclose(output(model, X), y, atol=1e-4)
    np.testing.assert_allclose(representation(model, X), z * factors, rtol=1e-4, atol=1e-4)
    after = keras_repreg.measure(model, X, "z")["z"]
    for name in ("correlation", "sparsity", "dead_units"):  # as in the second row of Table 3
        assert after[name] == pytest.approx(before[name], abs=1e-6)
    ion.rescale(model, "z", 2.0)
    np.testing.assert_allclose(representation(model, X), 2 * z * factors, rtol=1e-4, atol=1e-4)


@settings(max_examples=8 if keras.backend.backend() == "jax" else 30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10), how=st.sampled_from(["dense", "negative", "zero", "two"]))
def test_theorem_2_refuses_all_but_permuted_positive_diagonals(seed, scale, how):
    model = relu()
    rng = np.random.default_rng(seed)
    q = np.diag(rng.uniform(0.1, scale + 0.1, 6))[rng.permutation(6)]
    y, z = output(model, X), representation(model, X)
    ion.transform(model, "z", q)
    np.testing.assert_allclose(output(model, X), y, atol=1e-3)  # eq. 3
    np.testing.assert_allclose(representation(model, X), z @ q.T, rtol=1e-3, atol=1e-4)  # eq. 4
    other = q.copy()
    row = rng.integers(6)
    column = int(np.flatnonzero(q[row])[0])
    if how == "dense":
        other = nonsingular(6, 5, seed)
    elif how == "negative":
        other[row, column] *= -1
    elif how == "zero":
        other[row, column] = 0
    else:
        other[row, (column + 1) % 6] = 0.5
    before = model.get_weights()
    with pytest.raises(ValueError, match="Theorem 2"):
        ion.transform(model, "z", other)
    with pytest.raises(ValueError, match="Theorem 2"):
        ion.transform(model, "z", q, np.ones(6))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("function", [ion.whiten, ion.decorrelate, ion.align_dead_units])
def test_target_covariances_after_relu_raise(function):
    with pytest.raises(ValueError, match="insert_linear"):
        function(relu(), "z", X)


def test_orthogonal_keeps_distances():
    model = build()
    y, z = output(model, X), representation(model, X)
    ion.orthogonal(model, "z", seed=3)
    np.testing.assert_allclose(output(model, X), y, atol=1e-5)
    turned = representation(model, X)
    assert not np.allclose(turned, z, atol=0.1)
    np.testing.assert_allclose(turned @ turned.T, z @ z.T, rtol=1e-3, atol=1e-2)
    assert keras_repreg.measure(model, X, "z")["z"]["stable_rank"] == pytest.approx(
        keras_repreg.characterize(z, positive_only=False)["stable_rank"], rel=1e-4
    )


def test_decorrelate_sorts_variances():
    model = build()
    y, before = output(model, X), np.linalg.eigvalsh(covariance(model))[::-1]
    ion.decorrelate(model, "z", X)
    np.testing.assert_allclose(output(model, X), y, atol=1e-5)
    np.testing.assert_allclose(covariance(model), np.diag(before), atol=1e-4 * before[0])


@pytest.mark.parametrize("units", [4, 12])
def test_with_covariance(units):
    model = build(units)
    y = output(model, X)
    rank = int((np.linalg.eigvalsh(covariance(model)) > 1e-8 * np.linalg.eigvalsh(covariance(model))[-1]).sum())
    factor = np.random.default_rng(1).normal(size=(units, rank))
    target = factor @ factor.T
    ion.with_covariance(model, "z", target, X)
    np.testing.assert_allclose(output(model, X), y, atol=1e-4)
    np.testing.assert_allclose(covariance(model), target, atol=2e-3 * np.abs(target).max())


def test_invalid_target_covariances_raise():
    model = build(4)
    for target, message in (
        (np.eye(3), "shape"),
        (np.triu(np.ones((4, 4))), "symmetric"),
        (-np.eye(4), "semi-definite"),
        (np.ones((4, 4)), "rank 4.*Received: rank 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ion.with_covariance(model, "z", target, X)


def test_align_dead_units():
    # With five inputs, at most five of twelve directions vary.
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(12, name="z", bias_initializer="normal"), layers.Dense(3)]
    )
    y = output(model, X)
    assert keras_repreg.measure(model, X, "z")["z"]["dead_units"] == 0
    ion.align_dead_units(model, "z", X)
    np.testing.assert_allclose(output(model, X), y, atol=1e-4)
    assert keras_repreg.measure(model, X, "z")["z"]["dead_units"] == pytest.approx(7 / 12)  # eq. 6 with equality
    with pytest.raises(ValueError, match="of rank less than"):
        ion.align_dead_units(build(4), "z", X)


def test_copy_leaves_the_model_alone():
    for model in (build(), keras_repreg.Sequential(build().layers)):
        before = model.get_weights()
        twin = ion.whiten(model, "z", X, copy=True)
        assert twin is not model
        assert type(twin) is type(model)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert ion.verify(model, twin, X) < 1e-4
        assert ion.rewrites(model) == []
        assert len(ion.rewrites(twin)) == 1


def test_verify_distinguishes_models():
    model = build()
    assert ion.verify(model, model, (X, X)) == 0
    other = build()
    other.layers[-1].kernel.assign(other.layers[-1].kernel + 1.0)
    assert ion.verify(model, other, X) > 1e-3
    with pytest.raises(ValueError, match="same shape"):
        ion.verify(model, keras.Sequential([keras.Input((5,)), layers.Dense(2)]), X)
    with pytest.raises(TypeError, match="two Keras models. Received: 'model'"):
        ion.verify(model, "model", X)
    with pytest.raises(ValueError, match="at least one batch"):
        ion.verify(model, other, iter([]))
    broken = build()
    broken.layers[-1].bias.assign(np.full(3, np.nan))
    assert ion.verify(model, broken, X) == np.inf


BETWEEN = {
    "convolution": lambda: [layers.Conv2D(3, 3, name="next"), layers.Flatten(), layers.Dense(2)],
    "1 x 1 convolution": lambda: [layers.Conv2D(3, 1, name="next"), layers.Flatten(), layers.Dense(2)],
    "flatten": lambda: [layers.Flatten(), layers.Dense(3, name="next")],
    "global average": lambda: [layers.GlobalAveragePooling2D(), layers.Dense(3, name="next")],
    "average and flatten": lambda: [layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(3, name="next")],
}


def convolutional(between, activation=None):
    keras.utils.set_random_seed(0)
    first = layers.Conv2D(4, 3, name="z", activation=activation, bias_initializer="normal")
    return keras.Sequential([keras.Input((8, 8, 2)), first, *between])


@pytest.mark.parametrize("between", BETWEEN)
def test_channels_of_a_convolution_are_transformed(between):
    model = convolutional(BETWEEN[between]())
    y, z = output(model, IMAGES), representation(model, IMAGES)
    q, m = nonsingular(4, 5, 0), np.array([1.0, -1.0, 0.5, 2.0])
    ion.transform(model, "z", q, m, data=IMAGES)
    np.testing.assert_allclose(output(model, IMAGES), y, atol=1e-4)
    np.testing.assert_allclose(representation(model, IMAGES), (z - m) @ q.T, atol=1e-4)
    ion.whiten(model, "z", IMAGES)
    np.testing.assert_allclose(covariance(model, IMAGES), np.eye(4), atol=1e-3)
    np.testing.assert_allclose(output(model, IMAGES), y, atol=1e-3)


def test_shift_before_padding_raises():
    model = convolutional([layers.Conv2D(3, 3, padding="same", name="next"), layers.Flatten(), layers.Dense(2)])
    y = output(model, IMAGES)
    with pytest.raises(ValueError, match="padding='same'"):
        ion.transform(model, "z", np.eye(4), np.ones(4))
    ion.transform(model, "z", nonsingular(4, 5, 0), data=IMAGES)
    np.testing.assert_allclose(output(model, IMAGES), y, atol=1e-4)


def test_maxima_commute_with_positive_factors_only():
    between = [layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3, name="next")]
    model = convolutional(between, activation="relu")
    y = output(model, IMAGES)
    ion.rescale(model, "z", [1.0, 2.0, 3.0, 0.5], data=IMAGES)
    np.testing.assert_allclose(output(model, IMAGES), y, atol=1e-4)
    with pytest.raises(ValueError, match="max_pooling2d"):
        ion.transform(convolutional([layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3)]), "z", -np.eye(4))


def test_clipped_relu_is_not_treated_as_relu():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="z"), layers.ReLU(max_value=6), layers.Dense(3)])
    with pytest.raises(ValueError, match="type ReLU"):
        ion.rescale(model, "z", 2.0)


def with_batch_norm():
    keras.utils.set_random_seed(0)
    model = build(between=[layers.BatchNormalization(name="norm")])
    norm = model.get_layer("norm")
    rng = np.random.default_rng(0)
    for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
        variable.assign(rng.uniform(0.5, 2.0, size=6))
    return model


def test_fold_batch_norm():
    model = with_batch_norm()
    y, z = output(model, X), ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer("norm").output)(X))
    with pytest.raises(ValueError, match="fold_batch_norm"):
        ion.whiten(model, "z", X)
    twin = ion.fold_batch_norm(model, "norm", copy=True)
    np.testing.assert_allclose(output(model, X), y)
    np.testing.assert_allclose(output(twin, X), y, atol=1e-5)
    np.testing.assert_allclose(representation(twin, X), z, atol=1e-4)
    ion.whiten(twin, "z", X)
    np.testing.assert_allclose(output(twin, X), y, atol=1e-4)
    np.testing.assert_allclose(covariance(twin), np.eye(6), atol=1e-3)


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (build, "z", "type Dense"),
        (lambda: build(between=[layers.ReLU(), layers.BatchNormalization(name="norm"), layers.ReLU()]), "norm", "ReLU"),
        (lambda: keras.Sequential([keras.Input((5,)), layers.BatchNormalization(name="norm")]), "norm", "Received"),
    ],
    ids=["no norm", "between activations", "alone"],
)
def test_unfoldable_normalizations_raise(model, layer, message):
    model = model()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        ion.fold_batch_norm(model, layer)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_invalid_orders_and_factors_raise():
    model = build()
    for order in ([0, 1, 2], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 6]):
        with pytest.raises(ValueError, match="permutation of 0 to 5"):
            ion.permute(model, "z", order)
    with pytest.raises(ValueError, match="Received: factors="):
        ion.rescale(model, "z", [1.0, 2.0])
    for seed in (-1, 1.5, True, None):
        with pytest.raises(ValueError, match=f"integer >= 0. Received: seed={seed}"):
            ion.orthogonal(model, "z", seed)
    with pytest.raises(ValueError, match="nonsingular"):
        ion.rescale(model, "z", 0.0)
    with pytest.raises(ValueError, match="Theorem 2"):
        ion.rescale(relu(), "z", -1.0)
