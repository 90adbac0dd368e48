"""Class-wise statistics for responsibilities: the formulas, with hard labels as a special case."""

import numpy as np
import pytest
from keras import ops

from keras_repreg.classes import HardClasses, SoftClasses
from tests import reference
from tests.classes.cases import STATISTICS, value_and_gradient

NAMES = [name for name, _, _ in STATISTICS]


def batch(samples=14, units=12, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=(samples, units)) + 0.3).astype("float32")
    return z, rng.integers(0, classes, samples).astype("int32"), rng


def mixup(ids, classes, rng):
    share = rng.uniform(size=(len(ids), 1))
    return share * np.eye(classes)[ids] + (1 - share) * np.eye(classes)[rng.permutation(ids)]


def smoothed(ids, classes, rng):
    return 0.9 * np.eye(classes)[ids] + 0.1 / classes


def any_numbers(ids, classes, rng):
    r = rng.uniform(size=(len(ids), classes)) * rng.integers(0, 2, size=(len(ids), classes))
    r[:2] = 0
    return r


def soft_classes(r, sample_weight=None):
    weight = None if sample_weight is None else ops.convert_to_tensor(sample_weight)
    return SoftClasses(ops.convert_to_tensor(r.astype("float32")), weight)


@pytest.mark.parametrize("soften", [mixup, smoothed, any_numbers])
@pytest.mark.parametrize("units", [1, 5, 12])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_value_and_gradient(name, ask, omega, units, soften):
    z, ids, rng = batch(units=units)
    r = soften(ids, 4, rng)
    value, gradient = value_and_gradient(lambda t: ask(soft_classes(r), t), z)
    exact = z.astype(np.float64)
    assert value == pytest.approx(reference.soft_classwise(omega, exact, r), rel=2e-4)
    expected = reference.finite_difference(lambda t: reference.soft_classwise(omega, t, r), exact)
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=3e-4 * np.abs(expected).max() + 1e-6)


@pytest.mark.parametrize("units", [1, 6, 20])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_hard_labels_match_one_hot_responsibilities(name, ask, omega, units):
    z, ids, _ = batch(30, units, 5)
    one_hot = np.eye(7)[ids]  # two classes are absent
    hard = HardClasses(ops.convert_to_tensor(ids), "float32")
    expected, expected_gradient = value_and_gradient(lambda t: ask(hard, t), z)
    value, gradient = value_and_gradient(lambda t: ask(soft_classes(one_hot), t), z)
    assert value == pytest.approx(expected, rel=2e-5)
    np.testing.assert_allclose(
        gradient, expected_gradient, rtol=1e-3, atol=1e-4 * np.abs(expected_gradient).max() + 1e-6
    )
    assert float(soft_classes(one_hot).number()) == float(hard.number())


@pytest.mark.parametrize("distance", [10.0, 100.0])
def test_distant_class_means_lose_few_digits(distance):
    # The variance is 1 within and distance^2 between classes. Expanding the squares would have an error of
    # 1e-7 distance^4, which leaves no correct digit at 100.
    rng = np.random.default_rng(0)
    ids = np.arange(60) % 3
    z = rng.normal(size=(60, 20)) + distance * rng.normal(size=(3, 20))[ids]
    z = z.astype("float32")
    for index in (0, 1):
        _, ask, omega = STATISTICS[index]
        expected = reference.soft_classwise(omega, z.astype(np.float64), np.eye(3)[ids])
        found = float(ask(soft_classes(np.eye(3)[ids]), ops.convert_to_tensor(z)))
        assert found == pytest.approx(expected, rel=1e-7 * distance**2 * 10)


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_weights_multiply_responsibilities(name, ask, omega):
    z, ids, rng = batch()
    r = mixup(ids, 4, rng)
    w = rng.uniform(size=14).astype("float32")
    w[:3] = 0
    found = float(ask(soft_classes(r, w), ops.convert_to_tensor(z)))
    assert found == pytest.approx(reference.soft_classwise(omega, z.astype(np.float64), r * w[:, None]), rel=2e-4)


@pytest.mark.parametrize(
    "z", [np.zeros((6, 10)), np.full((6, 10), 0.5), np.eye(6, 10)], ids=["zero", "constant", "eye"]
)
@pytest.mark.parametrize("r", [np.zeros((6, 3)), np.eye(6)[:, :3], np.full((6, 3), 1 / 3)], ids=["none", "some", "all"])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS, ids=NAMES)
def test_degenerate(name, ask, omega, r, z):
    z = z.astype("float32")
    value, gradient = value_and_gradient(lambda t: ask(soft_classes(r), t), z)
    assert value == pytest.approx(reference.soft_classwise(omega, z.astype(np.float64), r), rel=1e-4, abs=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS[:3], ids=NAMES[:3])
def test_empty_batch(name, ask, omega):
    assert float(ask(soft_classes(np.zeros((0, 3))), ops.zeros((0, 12)))) == 0


@pytest.mark.parametrize("units", [5, 12])
@pytest.mark.parametrize(("name", "ask", "omega"), STATISTICS[:2], ids=NAMES[:2])
def test_activations_with_large_mean_keep_precision(name, ask, omega, units):
    # The batch mean is subtracted first; otherwise squares near a million would leave no digit of a variance of 1.
    z, ids, rng = batch(60, units)
    z = z + np.float32(3000)
    r = mixup(ids, 4, rng)
    expected = reference.soft_classwise(omega, z.astype(np.float64), r)
    assert float(ask(soft_classes(r), ops.convert_to_tensor(z))) == pytest.approx(expected, rel=2e-3)
