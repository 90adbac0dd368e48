"""Zero, constant, single-sample and extreme activations: the right value and a finite gradient."""

import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CASES, CLASSWISE, gradient, penalty


def check(case, z, labels, expected, rel=1e-5):
    side = labels if case.classwise else None
    assert penalty(case.make(), z, side) == pytest.approx(expected, rel=rel, abs=1e-9)
    assert np.isfinite(gradient(case.make(), z, side)).all()


LABELS = np.array([0, 0, 1, 1, 2, 4], "int32")


@pytest.mark.parametrize("units", [1, 4, 12])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_zero_activations(case, units):
    z = np.zeros((6, units), "float32")
    check(case, z, LABELS, case.oracle(z, LABELS))
    if not str(case).startswith(("VC", "SIG")):  # these require units to vary
        assert case.oracle(z, LABELS) == 0
    assert not gradient(case.make(), z, LABELS if case.classwise else None).any()


@pytest.mark.parametrize("units", [1, 4, 12])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_constant_activations(case, units):
    z = np.full((6, units), 0.5, "float32")
    check(case, z, LABELS, case.oracle(z, LABELS))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_empty_batch(case):
    # A replica gets no samples if the last batch has fewer samples than there are replicas.
    if case.arguments.get("method") in ("power", "svd"):
        pytest.skip("not defined for an empty matrix on every backend")
    for normalize in (False, True):
        layer = case.make(normalize=normalize)
        assert penalty(layer, np.zeros((0, 12), "float32"), np.zeros(0, "int32") if case.classwise else None) == 0.0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_single_sample(case):
    z = np.array([[1.0, 0.0, 3.0]], "float32")
    check(case, z, np.array([7], "int32"), case.oracle(z, np.array([7])))


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_classes_of_one_sample(case):
    z = np.random.default_rng(0).normal(size=(5, 10)).astype("float32")
    labels = np.arange(5, dtype="int32")
    if "Rank" not in str(case):
        check(case, z, labels, 0.0)
    elif case.arguments["method"] != "holder":
        check(case, z, labels, 5.0)  # a single row has rank one
    else:
        check(case, z, labels, case.oracle(z, labels))


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_a_class_that_is_all_zero(case):
    z = np.random.default_rng(0).normal(size=(6, 10)).astype("float32")
    z[:2] = 0
    check(case, z, LABELS, case.oracle(z, LABELS), rel=1e-4)


@pytest.mark.parametrize("labels", [[-1, -1, 3, 3, 1000000, 3], [5] * 6], ids=["any ids", "one class"])
@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_ids_do_not_need_to_be_contiguous(case, labels):
    z = np.random.default_rng(0).normal(size=(6, 10)).astype("float32")
    labels = np.array(labels, "int32")
    check(case, z, labels, case.oracle(z, labels), rel=1e-4)


@pytest.mark.parametrize("scale", [1e-38, 1e-34, 1e-20, 1e-15, 1e15])
@pytest.mark.parametrize("method", ["holder", "power", "svd"])
@pytest.mark.parametrize("layer", [keras_repreg.RankRegularization, keras_repreg.ClasswiseRankRegularization])
def test_stable_rank_does_not_depend_on_scale(layer, method, scale):
    z = np.abs(np.random.default_rng(0).normal(size=(6, 10))).astype("float32")
    labels = LABELS if layer is keras_repreg.ClasswiseRankRegularization else None
    expected = penalty(layer(1.0, method=method), z, labels)
    scaled = z * np.float32(scale)
    found = penalty(layer(1.0, method=method), scaled, labels)
    # A matrix too small to divide by in float32 counts as zero.
    assert found == pytest.approx(expected if scale > 1e-36 else 0.0, rel=1e-4)
    assert np.isfinite(gradient(layer(1.0, method=method), scaled, labels)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_half_precision_is_upcast(case, dtype):
    # A float16 sum of squares would overflow: 300**2 > 65504.
    rng = np.random.default_rng(0)
    z = (rng.integers(0, 64, size=(6, 10)) * 8).astype("float32")  # exact in both dtypes
    layer = case.make(dtype=dtype)
    found = penalty(layer, z, LABELS if case.classwise else None)
    assert found == pytest.approx(case.oracle(z, LABELS), rel=1e-4)
