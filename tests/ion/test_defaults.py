"""Defaults: the model itself is rewritten, and compared on random inputs."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from tests.ion.networks import build
from tests.ion.test_extensions import LOSS, Y
from tests.ion.test_kinds import X, relu, with_batch_norm

SIX = np.eye(6)
IN_PLACE = {
    "transform": (build, lambda model, **copy: ion.transform(model, "z", 2 * SIX, **copy)),
    "whiten": (build, lambda model, **copy: ion.whiten(model, "z", X, **copy)),
    "decorrelate": (build, lambda model, **copy: ion.decorrelate(model, "z", X, **copy)),
    "with_covariance": (lambda: build(4), lambda model, **copy: ion.with_covariance(model, "z", np.eye(4), X, **copy)),
    "align_dead_units": (lambda: build(12), lambda model, **copy: ion.align_dead_units(model, "z", X, **copy)),
    "permute": (build, lambda model, **copy: ion.permute(model, "z", [1, 0, 2, 3, 4, 5], **copy)),
    "rescale": (build, lambda model, **copy: ion.rescale(model, "z", 2.0, **copy)),
    "orthogonal": (build, lambda model, **copy: ion.orthogonal(model, "z", 0, **copy)),
    "fold_batch_norm": (with_batch_norm, lambda model, **copy: ion.fold_batch_norm(model, "norm", **copy)),
    "comparable": (
        relu, lambda model, **copy: ion.comparable(model, "z", SIX + 1.0, (X, Y), loss=LOSS, epochs=0, **copy),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_model_is_rewritten_in_place_by_default(name):
    make, rewrite = IN_PLACE[name]
    model = make()
    before = model.get_weights()
    twin = rewrite(model, copy=True)
    assert twin is not model
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(before, twin.get_weights(), strict=True))
    assert rewrite(model) is model
    assert not all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_new_models_leave_the_original_unchanged():
    for make in (lambda model: ion.insert_linear(model, "z"), lambda model: ion.remove_units(model, "z", [0]).model):
        model = build()
        before = model.get_weights()
        assert make(model) is not model
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_unabsorbable_shift_raises_for_comparable_networks_too():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, activation="relu", name="z"), layers.Dense(3, use_bias=False)]
    )
    before = model.get_weights()
    with pytest.raises(ValueError, match="no bias"):
        ion.comparable(model, "z", SIX + 1.0, (X, Y), np.ones(6), loss=LOSS, epochs=0)
    normalized = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, "relu", name="z"), layers.BatchNormalization(), layers.Dense(3)]
    )
    normalized.layers[1].gamma.assign(np.full(6, 2.0))
    with pytest.raises(ValueError, match="BatchNormalization"):
        ion.comparable(normalized, "z", SIX + 1.0, (X, Y), loss=LOSS, epochs=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
