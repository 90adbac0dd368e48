"""Class-wise penalties depend on the partition into classes, not on the form or ids of the labels."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from tests.layers.cases import CLASSWISE, gradient, penalty
from tests.stress.examples import batches, examples

MODERATE = ("normal", "relu", "zeros", "constant", "equal samples", "one value", "tiny", "whole numbers")
CASE = st.sampled_from(CLASSWISE)


def labels_of(samples, classes):
    return st.lists(st.integers(0, classes - 1), min_size=samples, max_size=samples).map(
        lambda values: np.array(values, "int32")
    )


def close(found, expected, z):
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5 * max(float(np.abs(z).max(initial=0)), 1.0) ** 4)


@examples(12)
@given(data=st.data(), z=batches(kinds=MODERATE), case=CASE, normalize=st.booleans())
def test_class_ids_do_not_matter(data, z, case, normalize):
    z = z.astype("float32")
    labels = data.draw(labels_of(len(z), 5))
    expected = penalty(case.make(normalize=normalize), z, labels)
    # Other ids, negative and far apart; and one-hot columns.
    names = data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=5, max_size=5, unique=True))
    for other in (
        np.array(names, "int64")[labels].astype("int32"),
        labels[:, None],
        labels.astype("float32"),
        labels.astype("uint8"),
        np.eye(5, dtype="float32")[labels],
        np.eye(9, dtype="bool")[labels],
    ):
        close(penalty(case.make(normalize=normalize), z, other), expected, z)
    soft = penalty(case.make(normalize=normalize, soft_labels=True), z, np.eye(7, dtype="float32")[labels])
    close(soft, expected, z)


@examples(12)
@given(data=st.data(), z=batches(kinds=MODERATE), case=CASE)
def test_ignored_samples_have_no_effect(data, z, case):
    z = z.astype("float32")
    labels = data.draw(labels_of(len(z), 3))
    ignored = data.draw(st.sampled_from([0, 2, 255, -1]))
    kept = labels != ignored
    layer = case.make(ignore_class=ignored)
    if data.draw(st.booleans()):
        z[~kept] = np.nan
    value, slope = penalty(layer, z, labels), gradient(case.make(ignore_class=ignored), z, labels)
    expected = penalty(case.make(), z[kept], labels[kept]) if kept.any() else 0.0
    close(value, expected, np.nan_to_num(z))
    assert np.isfinite(slope).all()
    assert not slope[~kept].any()


@examples(12)
@given(data=st.data(), z=batches(kinds=(*MODERATE, "huge", "any powers of ten")), case=CASE)
def test_soft_labels_of_any_weight(data, z, case):
    """Rows of zeros, empty classes and weights of any size are accepted; negative weights count as zero."""
    z = z.astype("float32")
    classes = data.draw(st.integers(2, 6))
    weights = st.sampled_from([0.0, 0.0, 1.0, 0.3, 1e-30, 1e-8, 100.0, -1.0])
    rows = [[data.draw(weights) for _ in range(classes)] for _ in range(len(z))]
    shares = np.array(rows, "float32")
    layer = case.make(soft_labels=True)
    value, slope = penalty(layer, z, shares), gradient(case.make(soft_labels=True), z, shares)
    assert not np.isnan(value)
    assert value >= 0
    assert not np.isnan(slope).any()
    assert not slope[~(shares > 0).any(axis=1)].any()


@examples(12)
@given(data=st.data(), case=CASE)
def test_labels_of_wrong_length_raise(data, case):
    samples, units = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    z = np.ones((samples, units), "float32")
    shape = data.draw(st.lists(st.integers(0, 5), max_size=3).map(tuple))
    arguments = data.draw(st.sampled_from([{}, {"soft_labels": True}, {"num_classes": 3}]))
    labels = np.zeros(shape, "int32")
    width = shape[1] if len(shape) == 2 else None
    allowed = shape[:1] == (samples,) and len(shape) in (1, 2) and width != 0
    if arguments.get("soft_labels"):
        allowed = allowed and width not in (None, 1)
    if arguments.get("num_classes"):
        allowed = allowed and width in (None, 1, 3)
    layer = case.make(**arguments)
    if allowed:
        assert penalty(layer, z, labels) >= 0
        return
    with pytest.raises(ValueError, match=r"Received: labels.shape="):
        layer([ops.convert_to_tensor(z), ops.convert_to_tensor(labels)])


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
@pytest.mark.parametrize("dtype", ["complex64", "string"])
def test_nonnumeric_labels_raise(case, dtype):
    if dtype == "string" and keras.backend.backend() != "tensorflow":
        pytest.skip("no strings")
    labels = np.zeros(4, dtype) if dtype != "string" else ops.convert_to_tensor(["a"] * 4)
    with pytest.raises(ValueError, match=f"Received: labels.dtype={dtype}"):
        case.make()(ops.ones((4, 3)), labels=labels)
