"""Unit removal matches slicing the weights by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from tests.ion import architectures
from tests.ion.architectures import randomized
from tests.ion.networks import build, output

X = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")


def mlp(activation="relu", units=6, use_bias=True):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(units, activation=activation, name="z", bias_initializer="normal"),
            layers.Dense(3, name="next", use_bias=use_bias),
        ]
    )


def with_dead_units(**settings):
    """Units 1 and 4 are dead on the data, unit 2 has zero weights, and unit 5 is not used by the next layer."""
    model = mlp(**settings)
    kernel, bias = model.get_layer("z").get_weights()
    bias[[1, 4]] = -100.0
    kernel[:, 2] = 0
    bias[2] = 1.5
    model.get_layer("z").set_weights([kernel, bias])
    taken = model.get_layer("next").get_weights()
    taken[0][5] = 0
    model.get_layer("next").set_weights(taken)
    return model


def by_hand(model, gone, constants):
    """Return sliced weights, with the contribution of constants added to the next bias, in float64."""
    kernel, bias = (np.asarray(w, np.float64) for w in model.get_layer("z").get_weights())
    next_kernel, *rest = (np.asarray(w, np.float64) for w in model.get_layer("next").get_weights())
    next_bias = rest[0] if rest else np.zeros(3)
    for unit in gone:
        next_bias = next_bias + constants[unit] * next_kernel[unit]
    return [np.delete(kernel, gone, 1), np.delete(bias, gone), np.delete(next_kernel, gone, 0), next_bias]


@pytest.mark.parametrize("use_bias", [True, False])
def test_dead_and_constant_units_are_removed_as_by_hand(use_bias):
    model = with_dead_units(use_bias=use_bias)
    before = model.get_weights()
    removal = ion.remove_units(model, "z", data=X)
    assert {unit.unit: unit.exact for unit in removal.removed} == {
        1: "this data", 2: "every input", 4: "this data", 5: "every input",
    }  # fmt: skip
    assert all(unit.change == 0 for unit in removal.removed)
    assert removal.change < 1e-6
    # Unit 5 has outgoing weights of zero, so its value does not matter.
    expected = by_hand(model, [1, 2, 4, 5], {1: 0.0, 2: 1.5, 4: 0.0, 5: 0.0})
    for found, wanted in zip(removal.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(output(removal.model, X), output(model, X), atol=1e-5)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_exactly_removable_units_are_removed_without_data():
    model = with_dead_units()
    removal = ion.remove_units(model, "z")
    assert [unit.unit for unit in removal.removed] == [2, 5]
    assert ion.verify(model, removal.model, 100 * X) < 1e-5
    assert ion.remove_units(mlp(), "z").removed == ()


def test_selected_units_are_measured_on_data():
    model = with_dead_units()
    removal = ion.remove_units(model, "z", [1, 0, 3], X)
    z = output(keras.Model(model.inputs[0], model.get_layer("z").output), X)
    for found, wanted in zip(removal.model.get_weights(), by_hand(model, [0, 1, 3], z.mean(axis=0)), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    y, units = output(model, X), {unit.unit: unit for unit in removal.removed}
    assert (units[1].exact, units[1].change) == ("this data", 0)
    next_kernel = np.asarray(model.get_layer("next").get_weights()[0], np.float64)
    for unit in (0, 3):
        assert units[unit].exact == "measured"
        alone = np.abs((z[:, [unit]] - z[:, unit].mean()) * next_kernel[unit]).max() / np.abs(y).max()
        assert units[unit].change == pytest.approx(alone, rel=1e-3)
    together = np.abs(output(removal.model, X) - y).max() / np.abs(y).max()
    assert removal.change == pytest.approx(together, rel=1e-4)
    single = ion.remove_units(model, "z", [3], X)
    assert single.removed[0].change == single.change == pytest.approx(units[3].change)


@pytest.mark.parametrize("with_data", [False, True])
def test_null_space_of_a_linear_layer_is_removed(with_data):
    """With five inputs, at most five of twelve directions vary; on data of rank three, three do."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(12, name="z", bias_initializer="normal"), layers.Dense(3, name="next")]
    )
    x = X[:, :3] @ np.random.default_rng(1).normal(size=(3, 5)).astype("float32") + 1.0
    removal = ion.remove_units(model, "z", data=x if with_data else None)
    smaller = removal.model.get_layer("z")
    assert smaller.units == (3 if with_data else 5)
    kinds = [unit.exact for unit in removal.removed]
    assert kinds == ["every input"] * 7 + ["this data"] * (2 if with_data else 0)
    assert all(unit.unit is None for unit in removal.removed)
    y = output(model, x)
    np.testing.assert_allclose(output(removal.model, x), y, atol=1e-4 * np.abs(y).max())
    if not with_data:
        assert ion.verify(model, removal.model, 10 * X) < 1e-4


def test_linear_layer_that_cannot_absorb_a_shift():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(12, 2, name="z", bias_initializer="normal"),
            layers.Conv2D(3, 2, padding="same", name="next"),
        ]
    )
    removal = ion.remove_units(model, "z")
    assert removal.model.get_layer("z").filters == 5  # four weights per unit, and the bias
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    assert ion.verify(model, removal.model, images) < 1e-4


WHOLE = {
    "unet": ("down1_conv0", 6),
    "residual": ("stem", 6),
    "inverted": ("squeeze", 4),
    "transformer": ("mlp0_in", 16),
    "inverted, depthwise": ("expand", 6),
}


@pytest.mark.parametrize("case", WHOLE)
def test_units_are_removed_within_whole_networks(case):
    """A unit with zero weights is removed from all layers that compute, pass on or use it."""
    name, units = WHOLE[case]
    model = getattr(architectures, case.split(",")[0])()
    if case.startswith("inverted"):
        # A gate couples the units of "expand" with those of the layers that it multiplies.
        model = gated() if "depthwise" in case else model
        name, units = ("expand", 6) if "depthwise" in case else (name, units)
    site = ion.find_site(model, name)
    assert site.units == units
    for use in site.consumers:
        for parameter in ion.rules.row_of(use.operation).takes:
            variable = parameter.of(use.operation)
            values = np.moveaxis(np.array(keras.ops.convert_to_numpy(variable)), parameter.axis, 0)
            values[parameter.index(use.operation, use.index)[:, [1, 2]].ravel()] = 0
            variable.assign(np.moveaxis(values, 0, parameter.axis))
    removal = ion.remove_units(model, name)
    assert [unit.unit for unit in removal.removed] == [1, 2]
    assert removal.model.count_params() < model.count_params()
    assert removal.model.get_layer(name).output.shape[-1] == units - 2
    assert ion.verify(model, removal.model, ion.probing.random_inputs(model)) < 1e-5


def gated():
    start = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 1, name="expand")(start)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((36, 12))(x)
    return randomized(keras.Model(start, layers.Dense(4)(layers.Flatten()(x))))


def test_smaller_model_saves_and_trains(tmp_path):
    model = with_dead_units()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    smaller = ion.remove_units(model, "z", data=X).model
    smaller.fit(X, np.arange(200) % 3, verbose=0)
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras")
    np.testing.assert_allclose(output(loaded, X), output(smaller, X), atol=1e-6)


def test_single_pass_batches_are_accepted():
    model = with_dead_units()
    removal = ion.remove_units(model, "z", data=iter([X[:100], X[100:]]))
    assert [unit.unit for unit in removal.removed] == [1, 2, 4, 5]


def test_invalid_units_raise():
    model = mlp()
    for units in ([6], [-1], [0, 0], [], [0.5], "z"):
        with pytest.raises(ValueError, match="Received: units="):
            ion.remove_units(model, "z", units)
    with pytest.raises(ValueError, match="at least one unit"):
        ion.remove_units(model, "z", range(6))
    with pytest.raises(ValueError, match="output of the model"):
        ion.remove_units(build(), "next")


def test_layers_that_depend_on_all_units_raise():
    for between in (layers.LayerNormalization(name="norm"), layers.Softmax(name="norm")):
        with pytest.raises(ValueError, match=r"\['norm'\], where each depends on all"):
            ion.remove_units(build(between=[between]), "z", [0])


def test_constant_before_zero_padding_is_kept():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(4, 1, activation="relu", name="z"), layers.Conv2D(3, 3, padding="same")]
    )
    kernel, bias = model.get_layer("z").get_weights()
    kernel[..., :2] = 0
    bias[:] = [1.0, -1.0, 0.0, 0.0]
    model.get_layer("z").set_weights([kernel, bias])
    assert [unit.unit for unit in ion.remove_units(model, "z").removed] == [1]  # it is zero, like the padding
    with pytest.raises(ValueError, match="padding='same'"):
        ion.remove_units(model, "z", [0])


def test_null_space_of_an_embedding_is_removed():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Embedding(3, 6, name="z"), layers.Dense(2)])
    removal = ion.remove_units(model, "z")
    assert removal.model.get_layer("z").output_dim == 3
    x = ion.probing.random_inputs(model)
    np.testing.assert_allclose(output(removal.model, x), output(model, x), atol=1e-5)


def test_exact_removal_is_verified():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(12, name="z"), layers.Dense(3)])
    with pytest.raises(RuntimeError, match="The model has not been changed"):
        ion.remove_units(model, "z", tolerance=0.0)


def test_layers_without_units_raise():
    start = keras.Input((4, 5))
    z = layers.MultiHeadAttention(2, 3, output_shape=6, name="z")(start, start)
    with pytest.raises(ValueError, match="configurable number of units. Received: 'z'"):
        ion.remove_units(keras.Model(start, layers.Dense(3)(z)), "z", [0])


def test_one_unit_remains_if_all_are_dead():
    model = mlp()
    kernel, bias = model.get_layer("z").get_weights()
    model.get_layer("z").set_weights([kernel, bias - 100])
    removal = ion.remove_units(model, "z", data=X)
    assert removal.model.get_layer("z").units == 1
    assert len(removal.removed) == 5


@pytest.mark.parametrize(("target", "smaller"), [((1, 2, 6), (1, 2, 4)), ((1, 2, -1), (1, 2, -1))])
def test_reshape_keeps_the_axes_before_the_units(target, smaller):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2, 5)), layers.Dense(6, name="z"), layers.Reshape(target, name="r"), layers.Conv2D(3, 1)]
    )
    found = ion.remove_units(model, "z", [1, 3], data=X.reshape(-1, 2, 5)).model
    assert found.get_layer("r").target_shape == smaller
    assert found.get_layer("r").output.shape[1:] == (1, 2, 4)


def test_units_of_a_model_with_two_inputs_are_removed():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    z = layers.Dense(6, activation="relu", name="z")(layers.Concatenate()([a, b]))
    model = keras.Model({"a": a, "b": b}, layers.Dense(2)(z))
    kernel, bias = model.get_layer("z").get_weights()
    bias[[1, 4]] = -100.0
    model.get_layer("z").set_weights([kernel, bias])
    data = {"a": X[:, :3], "b": X[:, 3:]}
    removal = ion.remove_units(model, "z", data=data)
    assert [unit.unit for unit in removal.removed] == [1, 4]
    assert ion.verify(model, removal.model, data) < 1e-6
