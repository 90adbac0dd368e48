"""Precision on PyTorch under `torch.autocast`, in a plain loop as in Lightning's `bf16-mixed`, and `torch.compile`."""

import keras
import numpy as np
import pytest

from tests.layers.cases import CASES, batch

if keras.backend.backend() != "torch":
    pytest.skip("PyTorch only", allow_module_level=True)

import torch


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_the_same_without_autocast(case, dtype):
    z, labels = batch(24, 10, 3, relu=False)
    z = torch.tensor(350 * z)

    def step(autocast):
        layer, leaf = case.make(1e-6), z.clone().requires_grad_()
        with torch.autocast("cpu", dtype, enabled=autocast):
            layer([leaf, torch.tensor(labels)] if case.classwise else leaf)
            (loss,) = layer.losses
        loss.backward()
        return float(loss.detach()), leaf.grad.numpy()

    expected, found = step(False), step(True)
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-6 * np.abs(expected[1]).max())


def test_half_precision_activations_are_accumulated_in_float32():
    z, labels = batch(24, 10, 3)
    half = torch.tensor(z).to(torch.bfloat16)
    for case in CASES:
        layer = case.make()
        with torch.autocast("cpu", torch.bfloat16):
            layer([half, torch.tensor(labels)] if case.classwise else half)
        assert layer.losses[0].dtype == torch.float32
        assert float(layer.losses[0].detach()) == pytest.approx(case.oracle(half.float().numpy(), labels), rel=1e-3)
