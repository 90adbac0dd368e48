"""Run by test_replicas.py in a separate process, with the number of devices as its argument."""

import os
import sys

DEVICES = int(sys.argv[1])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_repreg  # noqa: E402
from tests.layers.cases import CLASSWISE  # noqa: E402


def train(case, **arguments):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)).astype("float32"), np.sort(rng.integers(0, 3, 40)).astype("int32")
    keras.utils.set_random_seed(0)
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(12, activation="relu"),
            case.make(0.1, name="regularizer", **arguments),
            keras.layers.Dense(3),
            keras_repreg.VarianceRegularization(0.1, name="second", **arguments),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callbacks = [keras_repreg.PenaltyLogger(), keras_repreg.WeightSchedule(lambda epoch: 2.0**epoch)]
    fit = {"epochs": 2, "batch_size": 20, "shuffle": False, "verbose": 0, "callbacks": callbacks}
    history = model.fit(x, y, validation_data=(x, y), **fit).history
    return model, history


assert len(jax.devices()) == DEVICES
cases = [CLASSWISE[0], CLASSWISE[1], CLASSWISE[3], CLASSWISE[-1]]
alone = [train(case) for case in cases]
keras.distribution.set_distribution(keras.distribution.DataParallel())
for case, (expected, history) in zip(cases, alone, strict=True):
    for synchronized in (False, True):
        model, found = train(case, synchronized=synchronized)
        assert len(model.weights[0].value.sharding.device_set) == DEVICES
        for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
        for name in history:
            np.testing.assert_allclose(found[name], history[name], rtol=1e-4, err_msg=name)
print("all equal")
