"""Batch normalization is folded wherever this is exact."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from tests.ion import architectures
from tests.ion.architectures import randomized
from tests.ion.networks import output


def norm(**settings):
    return layers.BatchNormalization(name="norm", **settings)


def has_no_effect(layer, shift=False):
    scale, added = ion.conditions.batch_norm_map(layer)
    return np.allclose(scale, 1, atol=1e-6) and (shift or np.allclose(added, 0, atol=1e-6))


VECTOR, SEQUENCE, IMAGE = (5,), (6, 5), (6, 6, 3)
BEFORE = {
    "Dense": (VECTOR, lambda: layers.Dense(4)),
    "Conv1D": (SEQUENCE, lambda: layers.Conv1D(4, 2)),
    "Conv2D": (IMAGE, lambda: layers.Conv2D(4, 2, padding="same")),
    "Conv2DTranspose": (IMAGE, lambda: layers.Conv2DTranspose(4, 2)),
    "SeparableConv2D": (IMAGE, lambda: layers.SeparableConv2D(4, 2)),
    "DepthwiseConv1D": (SEQUENCE, lambda: layers.DepthwiseConv1D(2)),
    "DepthwiseConv2D": (IMAGE, lambda: layers.DepthwiseConv2D(2, depth_multiplier=2)),
}
SETTINGS = ({}, {"scale": False}, {"center": False}, {"scale": False, "center": False})


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("before", BEFORE)
def test_folds_into_the_layer_before(before, use_bias):
    shape, make = BEFORE[before]
    for settings in SETTINGS:
        layer = type(make()).from_config({**make().get_config(), "use_bias": use_bias, "bias_initializer": "normal"})
        model = randomized(
            keras.Sequential(
                [keras.Input(shape), layer, norm(**settings), layers.ReLU(), layers.Flatten(), layers.Dense(3)]
            )
        )
        x = ion.probing.random_inputs(model)
        y = output(model, x)
        assert ion.fold_batch_norm(model, "norm") is model
        np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
        # If the layer before has no bias, the normalization stays and acts as its bias.
        assert has_no_effect(model.get_layer("norm"), shift=not use_bias)


def test_layers_without_effect_between():
    between = [layers.Dropout(0.5), layers.Identity()]
    model = randomized(
        keras.Sequential([keras.Input(VECTOR), layers.Dense(4), *between, norm(), layers.ReLU(), layers.Dense(3)])
    )
    x = ion.probing.random_inputs(model)
    y = output(model, x)
    ion.fold_batch_norm(model, "norm")
    np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
    assert has_no_effect(model.get_layer("norm"))


AFTER = {
    "Dense": (VECTOR, lambda: [layers.Dense(4, "relu"), norm(), layers.Dense(3)]),
    "Dense after identities": (VECTOR, lambda: [layers.Dense(4, "gelu"), norm(), layers.Dropout(0.3), layers.Dense(3)]),
    "Conv2D": (IMAGE, lambda: [layers.Conv2D(4, 2, activation="relu"), norm(), layers.Conv2D(3, 2)]),
    "average and Flatten": (
        IMAGE,
        lambda: [
            layers.Conv2D(4, 2, activation="relu"), norm(), layers.AveragePooling2D(2), layers.Flatten(),
            layers.Dense(3),
        ],
    ),
    "without a shift": (
        IMAGE,
        lambda: [layers.Conv2D(4, 2, activation="relu"), norm(center=False), layers.Conv2D(3, 2, padding="same")],
    ),
    "the inputs": (VECTOR, lambda: [norm(), layers.Dense(3)]),
}  # fmt: skip


@pytest.mark.parametrize("after", AFTER)
def test_folds_into_the_layer_after(after):
    shape, make = AFTER[after]
    model = randomized(keras.Sequential([keras.Input(shape), *make()]))
    layer = model.get_layer("norm")
    if after == "without a shift":
        layer.moving_mean.assign(np.zeros(4))
    x = ion.probing.random_inputs(model)
    y = output(model, x)
    ion.fold_batch_norm(model, layer)
    np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
    assert has_no_effect(layer)


def two_consumers():
    start = keras.Input(VECTOR)
    z = norm()(layers.Dense(4, activation="relu")(start))
    return randomized(keras.Model(start, [layers.Dense(3)(z), layers.Dense(2)(z)]))


def test_folds_into_all_layers_after():
    model = two_consumers()
    x = ion.probing.random_inputs(model)
    y = [keras.ops.convert_to_numpy(each) for each in model(x)]
    ion.fold_batch_norm(model, "norm")
    assert has_no_effect(model.get_layer("norm"))
    for a, b in zip(y, model(x), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(b), a, atol=1e-5)


def branch_before():
    start = keras.Input(VECTOR)
    z = layers.Dense(4)(start)
    return randomized(keras.Model(start, [layers.Dense(3)(layers.ReLU()(norm()(z))), layers.Dense(2)(z)]))


def sum_before():
    start = keras.Input(VECTOR)
    z = layers.Add()([layers.Dense(4)(start), layers.Dense(4)(start)])
    return randomized(keras.Model(start, layers.Dense(3)(layers.ReLU()(norm()(z)))))


def branch_at_a_dropout():
    start = keras.Input(VECTOR)
    z = layers.Dropout(0.1)(layers.Dense(4)(start))
    return randomized(keras.Model(start, [layers.Dense(3)(layers.ReLU()(norm()(z))), layers.Dense(2)(z)]))


def dropping_before():
    start = keras.Input(VECTOR)
    z = layers.Dropout(0.1)(layers.Dense(4)(start), training=True)
    return randomized(keras.Model(start, layers.Dense(3)(layers.ReLU()(norm()(z)))))


def sum_after():
    start = keras.Input(VECTOR)
    z = layers.Add()([norm()(layers.Dense(4, activation="relu")(start)), layers.Dense(4)(start)])
    return randomized(keras.Model(start, layers.Dense(3)(z)))


def a_shift_after():
    """The second layer adds a constant, which a scale before it would also scale."""
    model = stack(
        lambda: layers.Dense(4, "relu"), norm, lambda: layers.BatchNormalization(name="shift"), lambda: layers.Dense(3)
    )()
    shift = model.get_layer("shift")
    shift.gamma.assign(np.ones(4))
    shift.moving_variance.assign(np.full(4, 1 - shift.epsilon))
    return model


def in_training():
    start = keras.Input(VECTOR)
    return keras.Model(start, layers.Dense(3)(norm()(layers.Dense(4)(start), training=True)))


def twice():
    start, shared, z = keras.Input(VECTOR), norm(), layers.Dense(4)
    return randomized(keras.Model(start, layers.Dense(3)(shared(layers.ReLU()(shared(z(start)))))))


def stack(*between, shape=VECTOR):
    return lambda: randomized(keras.Sequential([keras.Input(shape), *[make() for make in between]]))


def relu_convolution():
    return layers.Conv2D(4, 2, activation="relu")


REFUSED = {
    "no normalization": (stack(lambda: layers.Dense(4, name="norm"), lambda: layers.Dense(3)), "type Dense"),
    "between activations": (stack(lambda: layers.Dense(4, "relu"), norm, layers.ReLU, lambda: layers.Dense(3)), "ReLU"),
    "zero padding after a shift": (
        stack(relu_convolution, norm, lambda: layers.Conv2D(3, 2, padding="same"), shape=IMAGE),
        "padding='same'",
    ),
    "no bias after": (stack(lambda: layers.Dense(4, "relu"), norm, lambda: layers.Dense(3, use_bias=False)), "no bias"),
    "a maximum after": (
        stack(relu_convolution, norm, layers.MaxPooling2D, lambda: layers.Conv2D(3, 2), shape=IMAGE),
        "MaxPooling2D",
    ),
    "another axis": (
        stack(lambda: layers.Dense(4), lambda: norm(axis=1), lambda: layers.Dense(3), shape=SEQUENCE), "axis=1",
    ),
    "a branch before": (branch_before, "used by other layers"),
    "a sum before": (sum_before, "type Add"),
    "called with training=True": (in_training, "training=True"),
    "a branch at a dropout before": (branch_at_a_dropout, "'dropout.*' is used by other layers"),
    "dropout at inference before": (dropping_before, "'dropout.*' is called with training=True"),
    "a sum after": (sum_after, "combined with others"),
    "a shift after": (a_shift_after, "would have to absorb the scale"),
    "used twice": (twice, "shared layer"),
}  # fmt: skip


def test_unbuilt_normalization_raises():
    model = keras.Sequential([layers.Dense(4), norm()])
    with pytest.raises(ValueError, match="built model"):
        ion.fold_batch_norm(model, "norm")


@pytest.mark.parametrize("why", REFUSED)
def test_refusals_change_nothing(why):
    make, message = REFUSED[why]
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        ion.fold_batch_norm(model, "norm")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fold_all_warns_about_remaining_normalizations():
    model = stack(
        lambda: layers.Dense(4), lambda: layers.BatchNormalization(name="folded"), layers.ReLU, norm, layers.ReLU,
        lambda: layers.Dense(3),
    )()  # fmt: skip
    x = ion.probing.random_inputs(model)
    y = output(model, x)
    with pytest.warns(UserWarning, match=r"Some BatchNormalization layers cannot be folded: 'norm': .*ReLU"):
        ion.fold_batch_norm(model)
    np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
    assert has_no_effect(model.get_layer("folded"))
    assert not has_no_effect(model.get_layer("norm"), shift=True)


@pytest.mark.parametrize("make", ["unet", "residual", "inverted"])
def test_all_normalizations_of_a_network_fold(make):
    model = getattr(architectures, make)()
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert not any(has_no_effect(layer, shift=True) for layer in norms)
    before = model.get_weights()
    twin = ion.fold_batch_norm(model, copy=True)  # a warning would be an error
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(has_no_effect(twin.get_layer(layer.name), shift=True) for layer in norms)
    assert ion.verify(model, twin, ion.probing.random_inputs(model)) < 1e-5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiles for seconds, so one backend is enough")
@pytest.mark.parametrize(("name", "number"), [("ResNet50", 53), ("MobileNetV3Small", 34)])
def test_all_normalizations_of_an_application_fold(name, number):
    network = getattr(keras.applications, name)
    # Keras warns about inputs that are not 224 pixels wide.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = network(weights=None, input_shape=(32, 32, 3), classes=10, classifier_activation=None)
    randomized(model)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(norms) == number
    x = np.random.default_rng(1).normal(size=(4, 32, 32, 3)).astype("float32")
    y = output(model, x)
    ion.fold_batch_norm(model)
    assert all(has_no_effect(layer, shift=True) for layer in norms)
    np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())


def test_remaining_shift_of_a_normalization_is_looked_through():
    """The shift remaining after folding the scale acts as the layer's bias and is permuted with its units."""
    model = randomized(
        keras.Sequential([keras.Input(VECTOR), layers.Dense(4, use_bias=False, name="z"), norm(), layers.Dense(3)])
    )
    x = ion.probing.random_inputs(model)
    y = output(model, x)
    with pytest.raises(ValueError, match="fold_batch_norm"):
        ion.orthogonal(model, "z", 0)
    ion.fold_batch_norm(model, "norm")
    ion.orthogonal(model, "z", 0)
    np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
