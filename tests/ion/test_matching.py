"""Known permutations are found exactly from weights and from activations."""

import builtins
import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from keras_repreg import ion
from keras_repreg.ion import matching
from tests.ion import architectures
from tests.ion.networks import build, output, representation

X = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")


def mlp(activation="relu", units=8):
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(units, activation=activation, name="z", bias_initializer="normal"),
            layers.Dense(3, name="next"),
        ]
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), with_data=st.booleans(), activation=st.sampled_from(["relu", "gelu", None]))
def test_known_permutation_and_factors_are_found(seed, with_data, activation):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = mlp(activation)
    order, factors = rng.permutation(8), rng.uniform(0.2, 5.0, 8)
    other = ion.permute(model, "z", order, copy=True)
    if activation != "gelu":
        ion.rescale(other, "z", factors)
    found = ion.match(model, "z", other, data=X if with_data else None)
    np.testing.assert_array_equal(found.order, order)
    np.testing.assert_allclose(found.factors, np.ones(8) if activation == "gelu" else factors, rtol=1e-4)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-5)
    y = output(model, X)
    ion.permute(model, "z", found.order)
    if activation != "gelu":
        ion.rescale(model, "z", found.factors)
    np.testing.assert_allclose(representation(model, X), representation(other, X), atol=1e-4)
    np.testing.assert_allclose(output(model, X), y, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "name"),
    [("unet", "down2_conv0"), ("residual", "stem"), ("transformer", "mlp0_in"), ("transformer", "embedding")],
)
@pytest.mark.parametrize("with_data", [False, True])
def test_permutations_within_whole_networks_are_found(make, name, with_data):
    keras.utils.set_random_seed(0)
    model = getattr(architectures, make)()
    order = np.random.default_rng(0).permutation(ion.find_site(model, name).units)
    other = ion.permute(model, name, order, copy=True)
    data = ion.probing.random_inputs(model) if with_data else None
    np.testing.assert_array_equal(ion.match(model, name, other, data=data).order, order)


def test_noise_does_not_hide_the_permutation():
    keras.utils.set_random_seed(0)
    model, rng = mlp(), np.random.default_rng(0)
    order = rng.permutation(8)
    other = ion.permute(model, "z", order, copy=True)
    other.set_weights([w + 0.02 * rng.normal(size=w.shape) for w in other.get_weights()])
    found = ion.match(model, "z", other, "z")
    np.testing.assert_array_equal(found.order, order)
    assert (found.similarity < 1).all()


def test_unmatchable_layers_raise():
    with pytest.raises(ValueError, match="8 and 6 units"):
        ion.match(mlp(), "z", mlp(units=6))
    other = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="z"), layers.Dense(3)])
    with pytest.raises(ValueError, match="same shapes"):
        ion.match(mlp(), "z", other)
    wide, narrow = (
        keras.Sequential(
            [
                keras.Input((6, 5)),
                layers.Conv1D(8, 2, strides, name="z"),
                layers.GlobalAveragePooling1D(),
                layers.Dense(3),
            ]
        )
        for strides in (1, 2)
    )
    data = np.zeros((4, 6, 5), "float32")
    with pytest.raises(ValueError, match="same positions. Received: 20 and 12 rows"):
        ion.match(wide, "z", narrow, data=data)
    with pytest.raises(ValueError, match="'elsewhere'"):
        ion.match(mlp(), "z", mlp(), "elsewhere")
    with pytest.raises(TypeError, match="Expected `other` .* Received: 'model'"):
        ion.match(mlp(), "z", "model")


def test_dead_units_keep_their_scale():
    model = mlp()
    kernel, bias = model.get_layer("z").get_weights()
    kernel[:, 3], bias[3] = 0, 0
    model.get_layer("z").set_weights([kernel, bias])
    found = ion.match(model, "z", model)
    np.testing.assert_array_equal(found.order, range(8))
    np.testing.assert_allclose(found.factors, 1, rtol=1e-6)


def test_missing_scipy_raises_only_when_needed(monkeypatch):
    real = builtins.__import__

    def without_scipy(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ImportError, match=r"keras-repreg\[ion\]"):
        ion.match(build(), "z", build())


def test_similarity_is_one_minus_the_relative_squared_distance():
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(9, 3)), rng.normal(size=(9, 3))
    found = matching._similarity(z.T @ w, (z**2).sum(axis=0), (w**2).sum(axis=0), scaled=False)
    size = ((z**2).sum(axis=0).mean() + (w**2).sum(axis=0).mean()) / 2
    expected = [[1 - ((z[:, i] - w[:, j]) ** 2).sum() / size for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(found, expected)
    cosine = matching._similarity(z.T @ w, (z**2).sum(axis=0), (w**2).sum(axis=0), scaled=True)
    assert cosine[1, 2] == pytest.approx(z[:, 1] @ w[:, 2] / np.linalg.norm(z[:, 1]) / np.linalg.norm(w[:, 2]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        matching.Matching(np.arange(3), np.ones(3), found).order = None
