"""SIGReg and its class-wise version: the published numbers, the minimum, and when directions change."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_repreg
from keras_repreg import normality
from tests import reference
from tests.layers.cases import directions, gradient, penalty

SIG = keras_repreg.SIGRegularization
CLASSWISE_SIG = keras_repreg.ClasswiseSIGRegularization
# Values of EppsPulley() in github.com/rbalestr-lab/lejepa for these activations and directions.
PUBLISHED = [0.38453519344329834, 0.1058913990855217, 0.7494103908538818, 0.643631100654602]


def published_example():
    z = np.sin(1.7 * np.arange(21).reshape(7, 3)) + 0.3
    a = np.cos(0.9 * np.arange(12) + 0.5).reshape(3, 4)
    return z, a / np.sqrt((a**2).sum(axis=0))


def test_values_match_the_published_code():
    z, a = published_example()
    for k, expected in enumerate(PUBLISHED):
        found = normality.epps_pulley(ops.cast(z, "float32"), ops.cast(a[:, k : k + 1], "float32"))
        assert float(found) == pytest.approx(expected, rel=1e-5)
        assert reference.sig(z, a[:, k : k + 1]) == pytest.approx(expected, rel=1e-5)
    found = normality.epps_pulley(ops.cast(z, "float32"), ops.cast(a, "float32"))
    assert float(found) == pytest.approx(np.mean(PUBLISHED), rel=1e-5)


def test_directions_are_isotropic_unit_vectors():
    for seed in (3, keras.random.SeedGenerator(3)):
        found = ops.convert_to_numpy(normality.random_directions(5, 4000, "float32", seed))
        np.testing.assert_allclose((found**2).sum(axis=0), 1, rtol=1e-5)
        np.testing.assert_allclose(found @ found.T / 4000, np.eye(5) / 5, atol=0.02)


def nonnormal_samples(rng, n, m):
    """Return samples that are not standard normal."""
    z = rng.normal(size=(n, m))
    mixed = z.copy()
    mixed[:, 1] = 0.9 * z[:, 0] + np.sqrt(1 - 0.9**2) * z[:, 1]
    return {
        "shifted": z + 0.5,
        "smaller": 0.7 * z,
        "larger": 1.4 * z,
        "one unit larger": z * np.r_[3.0, np.ones(m - 1)],
        "correlated": mixed,
        "collapsed": z[:, :1] * np.ones(m),
        "cut off": np.maximum(z, 0),
        "two groups": np.sign(z) + 0.1 * z,
    }


def test_standard_normal_distribution_is_the_minimum():
    rng = np.random.default_rng(0)
    n, m = 2000, 6
    normal = penalty(SIG(1.0, seed=0), rng.normal(size=(n, m)).astype("float32"))
    for name, z in nonnormal_samples(rng, n, m).items():
        assert penalty(SIG(1.0, seed=0), z.astype("float32")) > 3 * normal, name
    # In expectation the statistic of N(0, I) is the weighted integral of its variance, 1 - exp(-t^2).
    t = np.linspace(0, 3, 17)
    heights = np.exp(-(t**2) / 2) * (1 - np.exp(-(t**2)))
    expected = sum(heights[1:] + heights[:-1]) * 3 / 16
    draws = [penalty(SIG(1.0, seed=0), rng.normal(size=(200, m)).astype("float32")) for _ in range(60)]
    assert np.mean(draws) == pytest.approx(expected, abs=4 * np.std(draws) / np.sqrt(60))


def test_normal_classes_are_the_minimum_at_any_location_and_scale():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 600).astype("int32")
    far, sizes = rng.normal(size=(3, 6)) * 20, np.array([0.1, 1.0, 30.0])[:, None]

    def as_classes(z):
        return (far[labels] + sizes[labels] * z).astype("float32")

    layer = CLASSWISE_SIG(1.0, seed=0)
    normal = penalty(layer, as_classes(rng.normal(size=(1800, 6))), labels)
    assert normal < 6
    for name, z in nonnormal_samples(rng, 1800, 6).items():
        value = penalty(layer, as_classes(z), labels)
        if name in ("shifted", "smaller", "larger"):
            assert value < 2 * normal, name
        else:
            assert value > 3 * normal, name


def test_location_and_scale_of_a_class_have_no_gradient():
    rng = np.random.default_rng(1)
    z, labels = rng.normal(size=(40, 5)).astype("float32"), np.arange(40).astype("int32") % 2
    slopes = gradient(CLASSWISE_SIG(1.0, seed=0), z, labels)
    for k in range(2):
        mine, slope = z[labels == k] - z[labels == k].mean(axis=0), slopes[labels == k]
        size = np.abs(slope).max()
        np.testing.assert_allclose(slope.sum(axis=0), 0, atol=1e-4 * size)
        assert abs((mine * slope).sum()) < 1e-3 * size


def test_gradient_descent_makes_samples_normal():
    z = np.random.default_rng(2).uniform(0, 4, size=(200, 3)).astype("float32") ** 2
    layer = SIG(1.0, slices=64)
    z = (z - z.mean(axis=0)) / z.std()
    start = penalty(layer, z)
    for _ in range(60):
        z = z - 2.0 * gradient(layer, z)
    assert penalty(layer, z) < 0.1 * start
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.2)


def directions_of_steps(layer, z, steps, training):
    """Return the penalty of fixed activations in each step, which identifies the directions."""
    values = []
    for _ in range(steps):
        layer(z, training=training)
        values.append(float(ops.convert_to_numpy(layer.losses[0])))
    return values


def test_directions_change_in_training_and_are_fixed_otherwise():
    z = np.random.default_rng(0).normal(size=(20, 8)).astype("float32") * 2
    layer = SIG(1.0, slices=4, seed=5)
    training = directions_of_steps(layer, z, 4, True)
    assert len(set(training)) == 4
    assert directions_of_steps(SIG(1.0, slices=4, seed=5), z, 4, True) == training
    assert directions_of_steps(SIG(1.0, slices=4, seed=6), z, 4, True) != training
    (fixed,) = set(directions_of_steps(layer, z, 3, False))
    expected = reference.sig(z.astype("float64"), directions(8, 4, 5))
    assert fixed == pytest.approx(expected, rel=1e-4)
    # An evaluation does not change the sequence of training directions.
    again = SIG(1.0, slices=4, seed=5)
    first = directions_of_steps(again, z, 2, True)
    directions_of_steps(again, z, 3, False)
    assert first + directions_of_steps(again, z, 2, True) == training


def test_runs_differ_unless_a_seed_is_set():
    z = np.random.default_rng(0).normal(size=(20, 8)).astype("float32") * 2

    def one():
        return directions_of_steps(SIG(1.0, slices=4), z, 1, True)

    assert one() != one()
    keras.utils.set_random_seed(3)
    first = one()
    keras.utils.set_random_seed(3)
    assert one() == first


@pytest.mark.parametrize("layer", [SIG, CLASSWISE_SIG])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"slices": 0}, ValueError),
        ({"slices": 2.0}, TypeError),
        ({"slices": True}, TypeError),
        ({"slices": None}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 2**31}, ValueError),
        ({"seed": 1.5}, TypeError),
    ],
    ids=str,
)
def test_arguments(layer, arguments, error):
    ((name, value),) = arguments.items()
    with pytest.raises(error, match=f"`{name}`.*Received: {name}={value!r}"):
        layer(**arguments)


def test_soft_classes_are_weighted_by_their_probabilities():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(30, 5)).astype("float32")
    # Two half samples count as one.
    labels = rng.integers(0, 2, 30)
    halves = np.eye(2, dtype="float32")[labels] / 2
    found = penalty(CLASSWISE_SIG(1.0, seed=0, soft_labels=True), np.concatenate([z, z]), np.concatenate([halves] * 2))
    assert found == pytest.approx(penalty(CLASSWISE_SIG(1.0, seed=0), z, labels.astype("int32")), rel=1e-4)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_class_contributes_nothing(constant, soft):
    # In floating point the mean of seven values 0.1 is not 0.1; the deviation is rounding, not shape.
    rng = np.random.default_rng(0)
    z = np.concatenate([np.full((7, 5), constant), rng.normal(size=(20, 5))]).astype("float32")
    labels = np.repeat([0, 1], [7, 20]).astype("int32")
    side = np.eye(2, dtype="float32")[labels] if soft else labels
    layer = CLASSWISE_SIG(1.0, seed=0, soft_labels=soft)
    expected = penalty(CLASSWISE_SIG(1.0, seed=0), z[7:], labels[7:])
    assert penalty(layer, z, side) == pytest.approx(expected, rel=1e-4)
    slopes = gradient(layer, z, side)
    assert not slopes[:7].any()
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20])
def test_classes_of_any_size(scale):
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(30, 5)).astype("float32"), (np.arange(30) % 3).astype("int32")
    expected = penalty(CLASSWISE_SIG(1.0, seed=0), z, labels)
    scaled = z * np.float32(scale)
    assert penalty(CLASSWISE_SIG(1.0, seed=0), scaled, labels) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(gradient(CLASSWISE_SIG(1.0, seed=0), scaled, labels)).all()
