"""Synchronized statistics: k devices and one give the same penalty, gradient, logs and trained weights."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CASES, batch, penalty

BACKEND = keras.backend.backend()


# Raised by Keras itself when it converts JAX arrays.
KERAS_OWN = "ignore:__array__ implementation:DeprecationWarning"


def run(program, devices):
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", KERAS_OWN, folder / program, str(devices)],
        env={**os.environ, "PYTHONPATH": str(folder.parents[1])},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout.strip().endswith("all equal"), done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute requires TensorFlow")
@pytest.mark.parametrize("devices", [2, 4])
def test_mirrored_strategy(devices):
    run("replicas_tensorflow.py", devices)


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution requires JAX")
def test_data_parallel():
    run("replicas_jax.py", 4)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_replica_matches_no_replicas(case):
    z, labels = batch(9, 6, 2)
    side = labels if case.classwise else None
    expected = penalty(case.make(), z, side)
    assert penalty(case.make(synchronized=True), z, side) == expected


@pytest.mark.skipif(BACKEND != "torch", reason="tests PyTorch processes")
def test_several_torch_processes_raise(monkeypatch):
    import torch

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    z = np.ones((4, 3), "float32")
    with pytest.raises(ValueError, match="Received: a process group of 2 processes"):
        keras_repreg.VarianceRegularization(synchronized=True)(z)
    assert penalty(keras_repreg.L1Regularization(1.0), z) == 12
