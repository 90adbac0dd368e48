"""Tests of all characteristics; a new one needs a row in `CHARACTERISTICS` and an oracle."""

import itertools

import numpy as np
import pytest

import keras_repreg
from keras_repreg.characteristics import CHARACTERISTICS, Characteristics, covariances, moments
from keras_repreg.characteristics.definitions import LINEAR, TRANSFORMS, meaning
from tests.characteristics.oracles import ORACLES

NAMES = list(CHARACTERISTICS)
CLASSES = 3


def activations(samples=14, units=6, seed=0, rectified=False):
    """Return correlated units of different scales and means, and classes of different means and sizes."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(CLASSES), rng.integers(0, CLASSES, samples - CLASSES)])
    mixing = np.eye(units) + 0.4 * rng.normal(size=(units, units))
    z = (rng.normal(size=(samples, units)) + rng.normal(size=(CLASSES, units))[labels]) @ mixing
    z = z * rng.uniform(0.5, 2, units) + 0.3
    if rectified:
        z = np.maximum(z, 0)
        z[:, 1] *= 1e-3  # dormant
        z[:, 2] = 0  # dead
    return z, labels


def measured(name, z, labels, positive_only=False):
    return keras_repreg.characterize(z, labels, positive_only, characteristics=[name])[name]


def close(found, expected, rel=1e-8, absolute=1e-10):
    np.testing.assert_allclose(found, expected, rtol=rel, atol=absolute)


def test_every_characteristic_has_an_oracle():
    assert set(ORACLES) == set(CHARACTERISTICS)


@pytest.mark.parametrize("rectified", [False, True], ids=["all values", "positive values"])
@pytest.mark.parametrize("shape", [(14, 6), (7, 9), (16, 2)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_value_matches_the_definition(name, shape, rectified):
    z, labels = activations(*shape if shape[1] > 2 else (16, 3), rectified=rectified)
    found = measured(name, z, labels, rectified)
    assert np.ndim(found) == (name == "spectrum")
    close(found, ORACLES[name](z, labels, rectified))


@pytest.mark.parametrize("waiting", [True, False], ids=["samples buffered", "sums"])
@pytest.mark.parametrize("values", ["all", "positive", "positive of all"])
@pytest.mark.parametrize("name", NAMES)
def test_streaming_and_merging_match_a_single_batch(name, values, waiting, monkeypatch):
    z, labels = activations(60, 5, rectified=values == "positive")
    rectified = values != "all"
    expected = measured(name, z, labels, rectified)
    if not waiting:
        monkeypatch.setattr(covariances, "BLOCK", 7)
    for sizes in ([1] * 60, [7, 53], [40, 0, 20]):
        bounds = np.cumsum([0, *sizes])
        parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
        for kept in (True, False):
            streamed, merged = (Characteristics(rectified, [name], moments=kept) for _ in range(2))
            for part in parts:
                streamed.update(z[part], labels[part])
                other = Characteristics(rectified, [name], moments=kept)
                other.update(z[part], labels[part])
                merged.merge(other)
            close(streamed.result()[name], expected)
            close(merged.result()[name], expected)


def transforms(z, rng):
    """Return activations of identical output networks (Theorem 1) by the kind of Q or m."""
    units = z.shape[1]
    rotation = np.linalg.qr(rng.normal(size=(units, units)))[0]
    return {
        "permute": z[:, rng.permutation(units)],
        "scale": 3.7 * z,
        "rescale": z * rng.uniform(0.3, 3, units),
        "rotate": z @ rotation,
        "linear": z @ (rotation @ np.diag(rng.uniform(0.5, 2, units)) @ rng.permutation(rotation)),
        "shift": z - rng.normal(size=units),
    }


@pytest.mark.parametrize("name", NAMES)
def test_value_is_invariant_under_declared_transforms(name):
    z, labels = activations(40, 6)
    z[:, 0] *= 0.01  # a transform can change whether it is dormant
    z[:3, 1] = z[:, 5] = 0
    before = measured(name, z, labels)
    others = transforms(z, np.random.default_rng(1))
    assert set(others) == set(TRANSFORMS)
    unchanged = {
        kind for kind, other in others.items() if np.allclose(measured(name, other, labels), before, rtol=1e-7)
    }
    assert unchanged == CHARACTERISTICS[name].unchanged_by


@pytest.mark.parametrize("name", NAMES)
def test_rectified_value_is_invariant_under_permutation_and_scales(name):
    z, labels = activations(40, 6, rectified=True)
    others = transforms(z, np.random.default_rng(1))
    for kind in CHARACTERISTICS[name].unchanged_by & {"permute", "scale", "rescale"}:
        close(measured(name, others[kind], labels, True), measured(name, z, labels, True), rel=1e-7)


@pytest.mark.parametrize("rectified", [False, True], ids=["all values", "positive values"])
@pytest.mark.parametrize("name", NAMES)
def test_float32_keeps_enough_digits(name, rectified, monkeypatch):
    monkeypatch.setattr(moments, "QUICK", 0)
    z, labels = activations(300, 8, rectified=rectified)
    z = z.astype("float32")
    expected = measured(name, z.astype("float64"), labels, rectified)
    for block in (1024, 64):
        monkeypatch.setattr(covariances, "BLOCK", block)
        accumulator = Characteristics(rectified, ["covariance", name], moments=False)
        for start in range(0, 300, 40):
            accumulator.update(z[start : start + 40], labels[start : start + 40])
        close(accumulator.result()[name], expected, rel=2e-6, absolute=1e-7)


@pytest.mark.parametrize("factor", [1e-10, 1e10, 1e-30, 1e30])
@pytest.mark.parametrize("rectified", [False, True], ids=["all values", "positive values"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_result_does_not_depend_on_scale(name, dtype, rectified, factor, monkeypatch):
    monkeypatch.setattr(moments, "QUICK", 0)
    monkeypatch.setattr(covariances, "BLOCK", 16)
    z, labels = activations(50, 5, rectified=rectified)
    powers = {"amplitude": 1, "mean": 1, "covariance": 2, "signed_covariance": 2, "variance": 2, "spectrum": 2}
    powers |= {"within_class_variance": 2, "between_class_variance": 2, "classwise_covariance": 2}
    expected = measured(name, z.astype(dtype), labels, rectified) * factor ** powers.get(name, 0)
    found = measured(name, (z * factor).astype(dtype), labels, rectified)
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * factor ** powers.get(name, 0))


def degenerate():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(8, 4))
    return {
        "zeros": np.zeros((8, 4)),
        "constant": np.full((8, 4), 0.1),
        "one sample": normal[:1],
        "two samples": normal[:2],
        "one unit": normal[:, :1],
        "equal samples": np.repeat(normal[:1], 8, axis=0),
        "equal units": np.repeat(normal[:, :1], 4, axis=1),
        "one value": np.eye(8, 4, k=-5),
        "far off": normal + 1e6,
        "tiny": normal * 1e-41,
        "huge": normal * 1e30,
        "wide": rng.normal(size=(3, 50)),
        "normal": normal,
    }


@pytest.mark.parametrize("positive_only", [False, True])
@pytest.mark.parametrize("kind", degenerate())
@pytest.mark.parametrize("name", NAMES)
def test_value_is_finite_and_within_its_bounds(name, kind, positive_only, monkeypatch):
    z = degenerate()[kind]
    lower, upper = CHARACTERISTICS[name].bounds
    for labels in (np.zeros(len(z), int), np.arange(len(z)), np.arange(len(z)) % 3):
        largest = {"units": z.shape[1], "classes": len(set(labels.tolist()))}.get(upper, upper)
        with monkeypatch.context() as patch:
            for block in (1024, 2):
                patch.setattr(covariances, "BLOCK", block)
                found = measured(name, z, labels, positive_only)
                assert np.isfinite(found).all(), labels
                assert np.min(found) >= lower
                assert np.max(found) <= largest * (1 + 1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sparsity", "dead_units", "dormant_units")])
def test_value_for_zeros_is_zero(name):
    assert not np.any(measured(name, np.zeros((6, 3)), np.arange(6) % 2))


@pytest.mark.parametrize("name", [name for name, one in CHARACTERISTICS.items() if one.needs <= LINEAR])
def test_no_unit_matrix_is_formed_unless_needed(name):
    accumulator = Characteristics(characteristics=[name])
    accumulator.update(np.ones((4, 100_000), "float32"), np.arange(4) % 2)  # a units x units matrix would take 80 GB
    assert np.isfinite(accumulator.result()[name])


def test_meaning_of_values_at_chance():
    assert meaning("correlation") == CHARACTERISTICS["correlation"].meaning
    assert meaning("correlation_at_chance") == "correlation of independent units at this number of samples"
    assert meaning("nc1_at_chance") == "nc1 of shuffled labels at this number of samples"
