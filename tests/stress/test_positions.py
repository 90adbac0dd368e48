"""Activations with positions, masked or not, give the penalty of the equivalent matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from tests.layers.cases import CASES, penalty
from tests.stress.examples import KINDS, examples

MODERATE = ("normal", "relu", "zeros", "constant", "one value", "whole numbers")


@st.composite
def images(draw):
    """Generate activations of shape (N, positions ..., channels), channels last."""
    shape = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 3)))]
    channels = draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    z = KINDS[draw(st.sampled_from(MODERATE))](rng, (int(np.prod(shape)), channels))
    return np.array(z, "float32").reshape(*shape, channels)


def value(layer, z, labels, mask=None):
    arguments = {} if mask is None else {"mask": ops.convert_to_tensor(mask)}
    z = ops.convert_to_tensor(z)
    layer(z, **arguments) if labels is None else layer(z, labels=ops.convert_to_tensor(labels), **arguments)
    return float(ops.convert_to_numpy(layer.losses[0]))


def close(found, expected, z):
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5 * max(float(np.abs(z).max(initial=0)), 1.0) ** 4)


@examples(16)
@given(data=st.data(), z=images(), first=st.booleans(), case=st.sampled_from(CASES))
def test_channels_and_masks(data, z, first, case):
    samples, positions = len(z), int(np.prod(z.shape[1:-1]))
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=samples, max_size=samples)), "int32")
    passed = np.moveaxis(z, -1, 1) if first and z.ndim > 2 else z
    layer = case.make(units="channels", data_format="channels_first" if first else "channels_last")
    rows, of_rows = z.reshape(-1, z.shape[-1]), np.repeat(labels, positions)
    expected = penalty(case.make(), rows, of_rows if case.classwise else None)
    close(value(layer, passed, labels if case.classwise else None), expected, z)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=samples, max_size=samples)))
    kept = np.repeat(mask, positions)
    expected = penalty(case.make(), rows[kept], of_rows[kept] if case.classwise else None) if kept.any() else 0.0
    hidden = np.where(mask.reshape(-1, *[1] * (passed.ndim - 1)), passed, np.nan).astype("float32")
    close(value(layer, hidden, labels if case.classwise else None, mask), expected, z)


@examples(10)
@given(data=st.data(), z=images(), case=st.sampled_from(CASES))
def test_flatten(data, z, case):
    labels = np.arange(len(z), dtype="int32") % 2
    found = value(case.make(units="flatten"), z, labels if case.classwise else None)
    flat = z.reshape(len(z), -1)
    assert found == pytest.approx(penalty(case.make(), flat, labels if case.classwise else None), rel=1e-5, abs=1e-30)


@examples(10)
@given(data=st.data(), case=st.sampled_from(CASES), units=st.sampled_from([None, "channels", "flatten"]))
def test_every_shape_is_accepted_or_raises(data, case, units):
    shape = tuple(data.draw(st.lists(st.integers(1, 3), max_size=4)))
    z = ops.ones(shape)
    labels = np.zeros(shape[:1] or (1,), "int32")
    layer = case.make(units=units)
    allowed = len(shape) >= 2 if units else len(shape) == 2
    if allowed:
        assert value(layer, z, labels if case.classwise else None) >= 0
        assert tuple(layer.compute_output_shape(shape)) == shape
        return
    for call in (
        lambda: value(layer, z, labels if case.classwise else None),
        lambda: layer.compute_output_shape(shape),
    ):
        with pytest.raises(ValueError, match=r"Received: inputs.shape=|Received: labels.shape="):
            call()
