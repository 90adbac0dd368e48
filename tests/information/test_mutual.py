"""Mutual information: the formula, limits, invariances, and edge cases."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_repreg.information import distances, kernels, mutual_information, noise_sweep
from tests.information.cases import clusters, integral_entropy
from tests.reference import information

VALUES = ("zx_lower", "zx_upper", "zy_lower", "zy_upper", "zy_lower_conventional", "zy_upper_conventional")


def values(result):
    return np.array([getattr(result, name) for name in VALUES])


def assert_in_bounds(result):
    limit = math.log(result.n_samples)
    assert 0 <= result.zx_lower <= result.zx_upper <= limit
    assert 0 <= result.zy_lower <= result.zy_upper <= result.label_entropy <= limit + 1e-12
    assert result.zy_lower <= result.zx_upper + 1e-12
    assert max(result.zy_lower_conventional, result.zy_upper_conventional) <= result.label_entropy
    assert np.isfinite(values(result)).all()


@pytest.mark.parametrize("noise_variance", [0.001, 0.1, 10.0])
@pytest.mark.parametrize("tile", [1, 7, 16, 512])
def test_against_the_formula(noise_variance, tile, monkeypatch):
    monkeypatch.setattr(kernels, "TILE", tile)
    z, labels = clusters()
    expected = information(z, labels, noise_variance)
    result = mutual_information(z, labels, noise_variance)
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, rel=1e-10, abs=1e-12), name


def test_tiling_handles_many_classes(monkeypatch):
    monkeypatch.setattr(kernels, "TILE", 8)
    z, labels = clusters(samples=50, classes=20)
    labels[:18] = 100  # one class spans several tiles, others have one sample
    expected = information(z, labels, 0.2)
    result = mutual_information(z, labels, 0.2)
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, rel=1e-10, abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_information_stays_within_its_limits(data):
    samples = data.draw(st.integers(1, 30))
    units = data.draw(st.integers(1, 5))
    seed = data.draw(st.integers(0, 2**31))
    scale = data.draw(st.sampled_from([1e-8, 1e-2, 1.0, 1e3, 1e8]))
    offset = data.draw(st.sampled_from([0.0, 1.0, 1e4, 1e7]))
    dtype = data.draw(st.sampled_from(["float16", "float32", "float64"]))
    rng = np.random.default_rng(seed)
    z = np.maximum(rng.normal(size=(samples, units)), 0)
    z[rng.integers(0, samples, samples // 3)] = z[0]
    z = np.clip(scale * z + offset, -60_000, 60_000).astype(dtype)
    labels = rng.integers(0, data.draw(st.integers(1, 5)), samples)
    assert_in_bounds(mutual_information(z, labels, data.draw(st.sampled_from([1e-6, 0.1, 1e4]))))


def test_large_offsets_in_float32_do_not_exceed_log_n():
    # In float32, ||a||^2 + ||b||^2 - 2ab would give negative distances, and an information above log N.
    z, labels = clusters(samples=300, units=50)
    result = mutual_information((z + 1000).astype("float32"), labels)
    assert_in_bounds(result)
    np.testing.assert_allclose(values(result), values(mutual_information(z, labels)), rtol=1e-3)


def test_close_pairs_far_from_the_centre_are_distinguished(monkeypatch):
    monkeypatch.setattr(kernels, "TILE", 16)
    monkeypatch.setattr(distances, "CHUNK", 30)
    z, labels = clusters(samples=40, spread=1e-5)
    z = 1e-5 * z + np.array([[0.0, 1e4, 0.0, 0.0], [3e4, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -5e4]])[labels]
    expected = information(z, labels, 1e-11)
    result = mutual_information(z, labels, 1e-11)
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, rel=1e-6), name
    first = np.array([np.flatnonzero(labels == k)[0] for k in range(3)])
    duplicates = mutual_information(z[first[labels]], labels, 1e-11)
    assert duplicates.zx_upper == pytest.approx(duplicates.label_entropy, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 4), st.integers(0, 2)), min_size=2, max_size=7), st.sampled_from([0.1, 1.0]))
def test_the_information_lies_between_the_bounds(points, noise_variance):
    z, labels = np.array([p for p, _ in points]), np.array([k for _, k in points])
    h = integral_entropy(z, noise_variance)
    zx = h - 0.5 * math.log(2 * math.pi * math.e * noise_variance)
    zy = h - sum(np.mean(labels == k) * integral_entropy(z[labels == k], noise_variance) for k in set(labels))
    result = mutual_information(z[:, None], labels, noise_variance)
    assert result.zx_lower - 1e-6 <= zx <= result.zx_upper + 1e-6
    assert result.zy_lower - 1e-6 <= zy <= result.zy_upper + 1e-6


def test_two_distant_clusters_give_log_2():
    z, labels = np.repeat([[0.0, 0.0], [1e3, 0.0]], 10, axis=0), np.repeat([3, 7], 10)
    np.testing.assert_allclose(values(mutual_information(z, labels)), math.log(2), rtol=1e-12)
    np.testing.assert_allclose(values(mutual_information(z, labels, information_unit="bits")), 1, rtol=1e-12)
    # Classes that are independent of the clusters.
    result = mutual_information(z, np.arange(20) % 2)
    assert result.zx_upper == pytest.approx(math.log(2))
    assert values(result)[2:] == pytest.approx(np.zeros(4), abs=1e-12)


def test_information_is_invariant_under_rotation_translation_and_order():
    rng = np.random.default_rng(1)
    z, labels = clusters(samples=80, units=6)
    q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    order = rng.permutation(80)
    moved = mutual_information((z @ q + rng.normal(size=6))[order], labels[order])
    np.testing.assert_allclose(values(moved), values(mutual_information(z, labels)), rtol=1e-10)


def test_scaling_activations_is_equivalent_to_scaling_the_noise():
    z, labels = clusters()
    np.testing.assert_allclose(
        values(mutual_information(3 * z, labels, 0.9)), values(mutual_information(z, labels, 0.1)), rtol=1e-10
    )


def test_more_noise_or_fewer_units_reduce_information():
    z, labels = clusters(samples=100, units=8)
    sweep = noise_sweep(z, labels, [0.01, 0.1, 1.0, 10.0])
    for name in ("zx_lower", "zx_upper"):
        assert np.all(np.diff([getattr(result, name) for result in sweep]) < 0)
        fewer = [getattr(mutual_information(z[:, :units], labels), name) for units in (1, 2, 4, 8)]
        assert np.all(np.diff(fewer) >= -1e-12)


def test_sweep_matches_single_variances():
    z, labels = clusters(samples=700, units=3)
    variances = [1.0, 1e-4, 0.1]
    for result, variance in zip(noise_sweep(z, labels, variances, "bits"), variances, strict=True):
        single = mutual_information(z, labels, variance, "bits")
        np.testing.assert_allclose(values(result), values(single), rtol=1e-12)
        assert (result.noise_variance, result.unit) == (variance, "bits")


@pytest.mark.parametrize(("scale", "variances"), [(1e-10, [1e-11, 1e-2, 1e10]), (1e-2, [1e-11, 1e-4])])
def test_wide_sweep_keeps_precision_at_every_variance(scale, variances):
    z, labels = clusters(samples=40, spread=1.0)
    z = scale * z + np.array([[0.0, 1e4, 0.0, 0.0], [3e4, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -5e4]])[labels]
    for result, variance in zip(noise_sweep(z, labels, variances), variances, strict=True):
        for name, value in information(z, labels, variance).items():
            assert getattr(result, name) == pytest.approx(value, rel=1e-6, abs=1e-8), name


def test_skipping_distant_tiles_loses_nothing(monkeypatch):
    z, labels = clusters(samples=90)
    z = z + 3.0 * labels[:, None]
    monkeypatch.setattr(kernels, "TILE", 10)
    skipping = values(mutual_information(z, labels, 0.01))
    monkeypatch.setattr(kernels, "NEGLIGIBLE", -1e9)
    np.testing.assert_allclose(skipping, values(mutual_information(z, labels, 0.01)), rtol=1e-13)


@pytest.mark.parametrize(
    ("z", "labels"),
    [
        ([[1.0, 2.0]], [5]),
        ([[1.0], [1.0]], [0, 1]),
        (np.zeros((30, 4)), np.arange(30) % 3),
        (np.full((30, 4), 0.1, "float32"), np.arange(30) % 3),
    ],
    ids=["one sample", "two equal samples", "zeros", "constant"],
)
def test_degenerate_activations_give_zero_information(z, labels):
    result = mutual_information(z, labels)
    assert_in_bounds(result)
    assert values(result) == pytest.approx(np.zeros(6), abs=1e-12)


def test_single_class_gives_zero_information():
    z, labels = clusters()
    result = mutual_information(z, np.zeros_like(labels))
    assert values(result)[2:].tolist() == [0, 0, 0, 0]
    assert result.label_entropy == 0
    assert result.zx_upper > 0


def test_all_forms_of_labels_and_activations_agree():
    z, labels = clusters()
    expected = mutual_information(z, labels)
    one_hot = np.eye(3, dtype="float32")[labels]
    for form in (labels.tolist(), labels[:, None], one_hot, labels.astype("float32"), np.array(list("abc"))[labels]):
        assert mutual_information(z, form) == expected
    tensor = ops.convert_to_tensor(z.astype("float32"))
    from_tensor = mutual_information(tensor, ops.convert_to_tensor(one_hot))
    assert from_tensor == mutual_information(z.astype("float32"), labels)
    half = mutual_information(ops.cast(tensor, "bfloat16"), labels)
    np.testing.assert_allclose(values(half), values(expected), rtol=0.05, atol=0.02)
    assert mutual_information(keras.Variable(z.astype("float32")), labels) == from_tensor
    images = mutual_information(z.reshape(60, 2, 2), labels)
    assert values(images).tolist() == values(expected).tolist()
    assert images.n_units == 4


def test_saturation_is_flagged():
    z, labels = clusters()
    fine = mutual_information(z, labels, 1e-6)
    assert fine.zx_saturated
    assert "saturated: log N = 4.094" in str(fine)
    coarse = mutual_information(z, labels, 1.0)
    assert not coarse.zx_saturated
    assert "saturated" not in str(coarse)
    assert mutual_information(z, labels, 1e-6, "bits").sample_entropy == pytest.approx(math.log2(60))


def test_repr_states_noise_samples_and_unit():
    z, labels = clusters()
    for unit in ("nats", "bits"):
        text = str(mutual_information(z, labels, 0.25, unit))
        assert text.endswith(f"{unit}, s^2 = 0.25, N = 60")


def test_result_is_a_frozen_dataclass():
    z, labels = clusters()
    result = mutual_information(z, labels)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.zx_lower = 0.0
    assert all(isinstance(value, (float, int, str)) for value in dataclasses.asdict(result).values())


def test_inputs_are_not_modified():
    z, labels = clusters()
    before = z.copy(), labels.copy()
    mutual_information(z, labels)
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        ([0, 1], r"labels.shape=\(2,\)"),
        (np.zeros((3, 2, 2)), r"labels.shape=\(3, 2, 2\)"),
        (np.zeros((3, 0)), r"labels.shape=\(3, 0\)"),
        (1, r"labels.shape=\(\)"),
        ([0.0, math.nan, 1.0], "1 of them"),
        ([0.2, 0.5, 0.7], r"shape \(3,\)"),
        ([None, 1, 2], "dtype object"),
    ],
    ids=str,
)
def test_invalid_labels_raise(labels, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        mutual_information(np.ones((3, 2)), labels)


def test_invalid_arguments_raise():
    z, labels = clusters()
    with pytest.raises(ValueError, match="Received: noise_variance=0"):
        mutual_information(z, labels, 0)
    with pytest.raises(ValueError, match="Received: information_unit='dits'"):
        mutual_information(z, labels, information_unit="dits")
    with pytest.raises(ValueError, match="NaN or infinite"):
        mutual_information(np.where(z > 1, np.nan, z), labels)
    for variances in ([], 0.1, "0.1"):
        with pytest.raises(ValueError, match="Expected `noise_variances`"):
            noise_sweep(z, labels, variances)
    with pytest.raises(ValueError, match="Received: noise_variance=-1"):
        noise_sweep(z, labels, [0.1, -1])


def test_one_class_has_no_entropy_for_any_number_of_samples():
    z = np.arange(300.0)[:, None]
    assert not any(mutual_information(z[:n], np.zeros(n), 1.0, samples=1).label_entropy for n in range(2, 60))
