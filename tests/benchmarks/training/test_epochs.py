"""Compiled epochs, on each backend that has them."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

if keras.backend.backend() == "torch":
    pytest.skip("there is no compiled epoch on PyTorch", allow_module_level=True)

from benchmarks.data import Split
from benchmarks.training import backend
from benchmarks.training.epochs import EpochTrainer
from benchmarks.training.models import mlp

JAX = keras.backend.backend() == "jax"


def separable(samples=400):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, samples).astype("int32")
    return Split((np.eye(784)[y] + rng.normal(0, 0.01, (samples, 784))).astype("float32"), y)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [True] if JAX else [False, True])
@pytest.mark.parametrize("name", ["Baseline", "L2W", "cw-CR", "cw-RR"])
def test_compiled_epoch_matches_fit(name, jit_compile):
    """The compiled loop takes the same steps as `fit` on the same batches."""
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


def test_nontrainable_variables_are_updated():
    """The moving statistics of batch normalization are updated once per step."""
    data = separable(300)
    keras.utils.set_random_seed(0)
    model = mlp("BN", 0.0)
    (layer,) = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    EpochTrainer(model, keras.optimizers.SGD(0.0), data, seed=3).epoch()
    batches = data.x[np.random.default_rng(3).permutation(300)].reshape(3, 100, 784)
    before = keras.Model(model.inputs, layer.input)
    mean, variance = 0.0, 1.0
    for batch in batches:
        z = before.predict(batch, verbose=0)
        mean = layer.momentum * mean + (1 - layer.momentum) * np.mean(z, axis=0)
        variance = layer.momentum * variance + (1 - layer.momentum) * np.var(z, axis=0)
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.get_weights()[3], variance, rtol=1e-4, atol=1e-6)


def test_dropout_masks_change_between_steps():
    # Equal samples and a learning rate of 0, so that only dropout changes the loss.
    same = Split(np.full((300, 784), 0.5, "float32"), np.zeros(300, "int32"))
    for name, differ in (("Dropout", True), ("Baseline", False)):
        trainer = EpochTrainer(mlp(name, 0.0), keras.optimizers.SGD(0.0), same)
        losses = [trainer.epoch() for _ in range(3)]
        assert len(set(losses)) == (3 if differ else 1)


@pytest.mark.skipif(not JAX, reason="TensorFlow's loop also runs without XLA")
def test_jit_compile_false_raises_on_jax():
    with pytest.raises(ValueError, match="Received: False"):
        EpochTrainer(mlp("Baseline", 0.0), keras.optimizers.Adam(1e-3), separable(), jit_compile=False)


def test_backend_follows_keras_backend(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert backend.name() == "tensorflow"
    with pytest.raises(ValueError, match="Expected KERAS_BACKEND to be one of .* Received: 'torch'"):
        backend.checked("torch")
    monkeypatch.setitem(backend.PACKAGES, "no_such_backend", ())
    with pytest.raises(ValueError, match="to be installed. Received: 'no_such_backend'"):
        backend.checked("no_such_backend")


def test_keras_on_another_backend_raises(monkeypatch):
    other = "tensorflow" if JAX else "jax"
    monkeypatch.setenv("KERAS_BACKEND", other)
    monkeypatch.setattr(backend, "checked", lambda chosen: chosen)
    for starting in ("_start_tensorflow", "_start_jax"):
        monkeypatch.setattr(backend, starting, lambda threads: None)
    with pytest.raises(ValueError, match=f"Expected Keras on {other}, .* Received: '{keras.backend.backend()}'"):
        backend.start(1)


@pytest.mark.parametrize("found", [[], ["NVIDIA H100", "NVIDIA H100"]])
def test_accelerators_are_named(found, monkeypatch):
    cpu = SimpleNamespace(platform="cpu", device_kind="cpu")
    devices = [SimpleNamespace(platform="gpu", device_kind=kind) for kind in found] or [cpu]
    details = SimpleNamespace(get_device_details=lambda gpu: {"device_name": gpu})
    config = SimpleNamespace(get_visible_devices=lambda kind: found, experimental=details)
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: devices))
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    for name in ("jax", "tensorflow"):
        monkeypatch.setenv("KERAS_BACKEND", name)
        assert backend.accelerators() == found
