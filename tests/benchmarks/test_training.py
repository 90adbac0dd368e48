"""Whole epochs inside one compiled function, on each backend that has one."""

import keras
import numpy as np
import pytest

if keras.backend.backend() == "torch":
    pytest.skip("there is no compiled epoch on PyTorch", allow_module_level=True)

from benchmarks import backend
from benchmarks.data import Split
from benchmarks.models import mlp
from benchmarks.training import EpochTrainer, error_rate

JAX = keras.backend.backend() == "jax"


def separable(samples=400):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, samples).astype("int32")
    return Split((np.eye(784)[y] + rng.normal(0, 0.01, (samples, 784))).astype("float32"), y)


@pytest.mark.parametrize("jit_compile", [None if JAX else False, True])
@pytest.mark.parametrize("name", ["Baseline", "L2W", "cw-CR", "cw-RR"])
def test_an_epoch_is_that_of_fit(name, jit_compile):
    """The compiled loop takes the very steps that `fit` takes on the same batches."""
    data = separable(300)
    keras.utils.set_random_seed(0)
    ours = mlp(name, 0.1)
    keras.utils.set_random_seed(0)
    theirs = mlp(name, 0.1)
    trainer = EpochTrainer(ours, keras.optimizers.Adam(1e-3), data, seed=3, jit_compile=jit_compile)
    loss = trainer.epoch()
    theirs.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    order = np.random.default_rng(3).permutation(300)
    history = theirs.fit(data.x[order], data.y[order], batch_size=100, shuffle=False, verbose=0).history
    assert loss == pytest.approx(history["loss"][0], rel=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)  # a tenth of a step of Adam


def test_what_is_not_trained_is_kept():
    """The moving statistics of batch normalization, after as many steps as an epoch has."""
    data = separable(300)
    keras.utils.set_random_seed(0)
    model = mlp("BN", 0.0)
    (layer,) = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    EpochTrainer(model, keras.optimizers.SGD(0.0), data, seed=3).epoch()
    batches = data.x[np.random.default_rng(3).permutation(300)].reshape(3, 100, 784)
    before = keras.Model(model.inputs, layer.input)
    expected = 0.0
    for batch in batches:
        expected = layer.momentum * expected + (1 - layer.momentum) * np.mean(before.predict(batch, verbose=0), axis=0)
    np.testing.assert_allclose(layer.get_weights()[2], expected, rtol=1e-4, atol=1e-6)


def test_training_learns_and_repeats():
    errors = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = mlp("Dropout", 0.0)
        trainer = EpochTrainer(model, keras.optimizers.Adam(1e-3), separable(), seed=1)
        losses = [trainer.epoch() for _ in range(15)]
        assert losses[-1] < losses[0] / 2
        errors.append((losses, error_rate(model, separable())))
    assert errors[0] == errors[1]
    assert errors[0][1] < 20


@pytest.mark.skipif(not JAX, reason="TensorFlow's loop need not be compiled by XLA")
def test_on_jax_the_loop_is_compiled():
    with pytest.raises(ValueError, match="Received: False"):
        EpochTrainer(mlp("Baseline", 0.0), keras.optimizers.Adam(1e-3), separable(), jit_compile=False)


def test_the_backend_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.name() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    assert backend.name() == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ValueError, match="Expected KERAS_BACKEND to be one of .* Received: 'torch'"):
        backend.name()


def test_no_accelerator_is_named_that_is_not_in_use(monkeypatch):
    """As far as the backend itself tells; other tests' machine need not have one."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert backend.accelerators() == []
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    on_cpu = keras.ops.ones(1) + 1
    assert bool(backend.accelerators()) == ("cpu" not in str(getattr(on_cpu, "device", "")).lower())
