"""Keras identifies losses by `id()` on JAX, so a penalty must not reuse the id of another layer's earlier one."""

import keras
import numpy as np
import pytest

from keras_repreg import ClasswiseCovarianceRegularization, CovarianceRegularization, RankRegularization, label_scope

if keras.backend.backend() != "jax":
    pytest.skip("only on JAX are losses identified by id", allow_module_level=True)


@pytest.mark.parametrize("first", [CovarianceRegularization, ClasswiseCovarianceRegularization])
def test_loss_ids_are_forgotten_with_their_penalties(first):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8)).astype("float32"), rng.integers(0, 3, 16)
    dense = keras.layers.Dense(12, activation="relu")
    model = keras.Sequential([keras.Input((8,)), dense, first(0.5), RankRegularization(0.1), keras.layers.Dense(3)])
    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    for _ in range(3):
        with label_scope(y):
            losses = model.stateless_call(trainable, others, x, training=True, return_losses=True)[2]
        assert len(losses) == 2
        ids = {id(loss) for loss in losses}
        del losses
        # An id that outlived its tensor could be another layer's loss in the next step.
        assert not any(ids & layer._loss_ids for layer in model.layers)
