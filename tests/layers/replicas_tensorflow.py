"""Run by test_replicas.py in a separate process, with the number of devices as its argument.

TensorFlow can split the processor into devices only before its first use.
"""

import contextlib
import itertools
import sys
import warnings

import numpy as np
import tensorflow as tf

DEVICES = int(sys.argv[1])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * DEVICES
)

import keras  # noqa: E402

import keras_repreg  # noqa: E402
from tests.layers.cases import CASES, CLASSWISE, batch, gradient, penalty  # noqa: E402

STRATEGY = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)])
# Replicas have different numbers of samples, and one has none.
SIZES = {2: [11, 0], 4: [7, 0, 1, 12]}[DEVICES]


def parts_of(array):
    """Return an array divided between the replicas."""
    ends = np.cumsum(SIZES)
    parts = [slice(end - size, end) for end, size in zip(ends, SIZES, strict=True)]
    return STRATEGY.experimental_distribute_values_from_function(
        lambda replica: tf.constant(array[parts[replica.replica_id_in_sync_group]])
    )


def replicated(case, z, labels, **arguments):
    """Return the penalty on each replica, and the gradient of their mean with respect to all samples."""

    # One layer per replica: a layer that is not in a model collects the losses of all replicas.
    layers = itertools.cycle([case.make(0.5, **arguments) for _ in range(DEVICES)])

    def step(z, labels):
        layer = next(layers)
        with tf.GradientTape() as tape:
            tape.watch(z)
            layer([z, labels] if case.classwise else z)
            value = layer.losses[0]
            loss = value / DEVICES  # as in Keras
        return value, tape.gradient(loss, z)

    run = tf.function(lambda z, labels: STRATEGY.run(step, args=(z, labels)), autograph=False)
    values, gradients = run(parts_of(z), parts_of(labels))
    pieces = STRATEGY.experimental_local_results(gradients)
    return [float(v) for v in STRATEGY.experimental_local_results(values)], np.concatenate([p.numpy() for p in pieces])


def check_values_and_gradients():
    z, labels = batch(sum(SIZES), 12, 3)
    labels = np.sort(labels)  # so that a replica sees one class, or two
    for case in CASES:
        side = labels if case.classwise else None
        expected = penalty(case.make(0.5), z, side)
        values, found = replicated(case, z, labels, synchronized=True)
        np.testing.assert_allclose(values, expected, rtol=1e-5, err_msg=str(case))
        whole = gradient(case.make(0.5), z, side)
        np.testing.assert_allclose(found, whole, rtol=1e-3, atol=1e-4 * np.abs(whole).max(), err_msg=str(case))
    local, _ = replicated(CLASSWISE[0], z, labels)
    assert not np.allclose(local, penalty(CLASSWISE[0].make(0.5), z, labels), rtol=1e-3)


def check_positions():
    layer = keras_repreg.ClasswiseVarianceRegularization
    z, labels = batch(sum(SIZES) * 3, 4, 3)
    z, labels = z.reshape(-1, 3, 4), labels[: sum(SIZES)]
    expected = penalty(layer(0.5, units="channels"), z, labels)
    case = next(case for case in CLASSWISE if case.layer is layer)
    values, _ = replicated(case, z, labels, synchronized=True, units="channels")
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def check_whitening():
    """Decorrelated batch normalization: outputs, gradients and moving averages."""
    z, _ = batch(sum(SIZES), 4, 3, relu=False)
    direction = np.random.default_rng(1).normal(size=z.shape).astype("float32")
    for method in ("exact", "newton_schulz"):
        alone = keras_repreg.DecorrelatedBatchNormalization(method=method, momentum=0.5)
        with STRATEGY.scope():
            layer = keras_repreg.DecorrelatedBatchNormalization(method=method, momentum=0.5, synchronized=True)
            layer.build(z.shape)

        def step(z, direction, layer):
            with tf.GradientTape() as tape:
                tape.watch(z)
                out = layer(z, training=True)
                loss = tf.reduce_sum(direction * out**2)
            return out, tape.gradient(loss, z)

        run = tf.function(
            lambda z, direction, step=step, layer=layer: STRATEGY.run(step, args=(z, direction, layer)), autograph=False
        )
        outs, slopes = (
            np.concatenate([part.numpy() for part in STRATEGY.experimental_local_results(each)])
            for each in run(parts_of(z), parts_of(direction))
        )
        expected, slope = step(tf.constant(z), tf.constant(direction), alone)
        np.testing.assert_allclose(outs, expected, atol=1e-4)
        np.testing.assert_allclose(slopes, slope, atol=1e-3 * np.abs(slope).max())
        for name in ("moving_mean", "moving_matrix"):
            one, other = (keras.ops.convert_to_numpy(getattr(each, name)) for each in (alone, layer))
            np.testing.assert_allclose(other, one, atol=1e-4)


def train(strategy, case, samples, loss, **arguments):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, 5)).astype("float32"), np.sort(rng.integers(0, 3, samples)).astype("int32")
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = keras_repreg.Sequential(
            [
                keras.Input((5,)),
                keras.layers.Dense(12, activation="relu"),
                case.make(0.1, name="regularizer", **arguments),
                keras.layers.Dense(3),
                keras_repreg.VarianceRegularization(0.1, name="second", **arguments),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    callbacks = [keras_repreg.PenaltyLogger(), keras_repreg.WeightSchedule(lambda epoch: 2.0**epoch)]
    fit = {"epochs": 2, "batch_size": 20, "shuffle": False, "verbose": 0, "callbacks": callbacks}
    history = model.fit(x, y, validation_data=(x, y), **fit).history
    return model.get_weights(), history


def check_training(case, samples, loss=None):
    expected, alone = train(None, case, samples, loss)
    found, together = train(STRATEGY, case, samples, loss, synchronized=True)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
    assert len(alone) == 6
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4, err_msg=name)


check_values_and_gradients()
check_positions()
check_whitening()
check_training(CLASSWISE[0], 40, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
# Replicas draw the same random directions, as one device does.
check_training(CLASSWISE[-1], 40, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
with warnings.catch_warnings():
    # Without cross-entropy, because its mean over unequal parts is not a mean over samples.
    warnings.filterwarnings("ignore", message="Gradients do not exist")
    # The last batch has one sample: all replicas but the first have none.
    check_training(CLASSWISE[1], 41)
print("all equal")
