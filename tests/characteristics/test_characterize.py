"""Characteristics of arrays: loops over pairs, batching, merging, large means, and edge cases."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_repreg
from keras_repreg.characteristics import Characteristics, stable_rank
from keras_repreg.characteristics import accumulator as accumulator_module
from tests import reference


def activations(samples, units, seed=0, mean=0.2, std=1.0):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(mean, std, size=(samples, units)), 0)


def assert_close(found, expected, rel=1e-9, absolute=1e-12):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rel, atol=absolute, err_msg=name)


def all_of_them(z, positive_only, labels):
    return reference.characteristics(z, positive_only) | reference.more_characteristics(z, positive_only, labels)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("shape", [(40, 6), (5, 12), (2, 3), (1, 4), (6, 1)], ids=str)
def test_against_a_loop_over_pairs(shape, positive_only):
    z = activations(*shape)
    found = keras_repreg.characterize(z, positive_only=positive_only)
    assert_close(found, reference.characteristics(z, positive_only))


def test_large_mean_keeps_precision():
    z = activations(60, 5, mean=1000.0)
    for positive_only in (True, False):
        found = keras_repreg.characterize(z, positive_only=positive_only)
        assert_close(found, reference.characteristics(z, positive_only), rel=1e-8)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("mean", [0.2, 3.0, 1000.0])
@pytest.mark.parametrize("shape", [(60, 5), (200, 9), (6, 10)], ids=str)
def test_every_characteristic_against_its_definition(shape, mean, positive_only):
    z, labels = activations(*shape, mean=mean), np.arange(shape[0]) % 3
    expected = all_of_them(z, positive_only, labels)
    found = keras_repreg.characterize(z, labels, positive_only, characteristics=list(expected))
    # Singular values of Z lose precision for large means, because they are roots of eigenvalues of order mean^2.
    assert_close(found, expected, rel=1e-6 if mean > 100 else 1e-8, absolute=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 30),
    units=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 10**6),
    mean=st.sampled_from([-2.0, 0.0, 1000.0]),
    rectified=st.booleans(),
    positive_only=st.booleans(),
    merge=st.booleans(),
)
def test_batching_and_merging_order_do_not_matter(samples, units, cuts, seed, mean, rectified, positive_only, merge):
    # Without rectification, some or all batches have negative values.
    z = (
        activations(samples, units, seed, mean)
        if rectified
        else np.random.default_rng(seed).normal(size=(samples, units))
    )
    labels = np.random.default_rng(seed).integers(0, 3, samples)
    bounds = [0, *sorted(min(cut, samples) for cut in cuts), samples]
    parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    expected = all_of_them(z, positive_only, labels)
    names = list(expected)
    whole = Characteristics(positive_only, names)
    whole.update(z, labels)
    total = Characteristics(positive_only, names)
    for part in reversed(parts):
        if merge:
            other = Characteristics(positive_only, names)
            middle = part.start + (part.stop - part.start) // 3
            for half in (slice(part.start, middle), slice(middle, part.stop)):
                other.update(z[half], labels[half])
                other._all.flush()  # so that its sums are about another mean, and do not vanish
            total.merge(other)
        else:
            total.update(z[part], labels[part])
            total._all.flush()  # otherwise it would be buffered and merged with the next batch
    # With few samples, rank and NC1 depend on eigenvalues that are zero up to rounding, 1e-10 of the squared mean.
    steady = [name for name in whole.result() if name not in ("rankme", "nc1", "numerical_rank", "spectrum")]
    for found in (total.result(), whole.result()):
        assert_close({n: found[n] for n in steady}, {n: expected[n] for n in steady}, rel=1e-6, absolute=1e-8)
        np.testing.assert_allclose(found["spectrum"], expected["spectrum"], atol=1e-8)
    if samples > 4 * units:
        assert_close(total.result(), whole.result(), rel=1e-6, absolute=1e-8)


def test_only_requested_statistics_are_computed():
    z, labels = activations(50, 7), np.arange(50) % 2
    cheap = ["amplitude", "sparsity", "dead_units", "mean", "variance", "within_class_variance", "nc1"]
    expected = keras_repreg.characterize(z, labels, characteristics="all")
    found = keras_repreg.characterize(z, labels, characteristics=cheap)
    assert list(found) == cheap
    assert_close(found, {name: expected[name] for name in cheap})
    wide = Characteristics(characteristics=cheap[:-1])
    # A units x units matrix would take 80 GB.
    wide.update(np.ones((4, 100_000), "float32"), labels[:4])
    assert wide.result()["mean"] == 1.0
    with pytest.raises(ValueError, match="Received: .'amplitude'"):
        wide.moments  # noqa: B018


def test_ranks_of_known_spectra():
    # Four samples at +-a_i along each axis i: the covariance is diagonal with entries a_i^2 / 2.
    z = np.concatenate([np.diag([1.0, 2.0]), -np.diag([1.0, 2.0])])
    found = keras_repreg.characterize(z, positive_only=False, characteristics="all")
    np.testing.assert_allclose(found["spectrum"], [2.0, 0.5])
    assert found["stable_rank"] == pytest.approx(1 + 1 / 16)
    assert found["participation_ratio"] == pytest.approx(25 / 17)
    assert found["effective_rank"] == pytest.approx(5 / 4**0.8)  # exp of the entropy of (0.8, 0.2)
    assert found["rankme"] == pytest.approx(3 / 2 ** (2 / 3))  # and of (2/3, 1/3)
    assert found["numerical_rank"] == 2


def test_neural_collapse_matches_the_closed_form():
    # Two classes at +-d along the first unit with within-class variance v: S_W S_B^+ is v / d^2 there.
    d, v = 3.0, 0.25
    z = np.array([[d + 0.5, 1.0], [d - 0.5, -1.0], [-d + 0.5, -1.0], [-d - 0.5, 1.0]])
    labels = np.array(["left", "left", "right", "right"])
    found = keras_repreg.characterize(z, labels, positive_only=False, characteristics=["nc1", "within_class_variance"])
    assert found["nc1"] == pytest.approx(v / d**2 / 2)
    assert found["within_class_variance"] == pytest.approx((v + 1) / 2)
    collapsed = keras_repreg.characterize(np.array([[1.0], [1.0], [2.0]]), [0, 0, 1], characteristics="nc1")
    assert collapsed == {"nc1": pytest.approx(0, abs=1e-12)}
    equal_means = keras_repreg.characterize(np.array([[1.0], [1.0]]), [0, 1], characteristics="nc1")
    assert equal_means == {"nc1": 0.0}


@settings(max_examples=50, deadline=None)
@given(samples=st.integers(1, 30), units=st.integers(1, 10), seed=st.integers(0, 10**6), mean=st.floats(-3, 1))
def test_dead_units_are_bounded_by_sparsity_and_rank(samples, units, seed, mean):
    # Eq. 5 and 6: P_d <= P_s, and M P_d <= M - r for the rank r, hence also for the smaller stable rank.
    z = activations(samples, units, seed, mean)
    found = keras_repreg.characterize(z)
    assert found["dead_units"] <= found["sparsity"] + 1e-12
    rank = np.linalg.matrix_rank(np.cov(z.T, bias=True).reshape(units, units))
    assert units * found["dead_units"] <= units - rank + 1e-9
    assert found["stable_rank"] <= rank + 1e-6
    more = keras_repreg.characterize(z, characteristics="all")
    assert units * more["dead_units"] <= units - more["numerical_rank"] + 1e-9
    # All ranks are of the same spectrum and ordered, because they weight large eigenvalues differently.
    assert more["stable_rank"] <= more["participation_ratio"] + 1e-9 <= more["effective_rank"] + 1e-6
    assert more["effective_rank"] <= np.count_nonzero(more["spectrum"]) + 1e-6


def test_zero_activations_have_only_sparsity_and_dead_units():
    found = keras_repreg.characterize(np.zeros((5, 3)), np.arange(5), characteristics="all")
    assert found.pop("spectrum").tolist() == [0.0, 0.0, 0.0]
    expected = dict.fromkeys(found, 0.0) | {"sparsity": 1.0, "dead_units": 1.0, "dormant_units": 1.0}
    assert found == expected


def test_constant_units_have_no_correlation():
    z = np.ones((10, 3)) * 0.1
    z[:, 2] = np.linspace(1, 2, 10)
    assert keras_repreg.characterize(z)["correlation"] == 0.0


def test_perfectly_correlated_units_have_correlation_1():
    z = np.linspace(1, 2, 10)[:, None] * np.array([1.0, 3.0, 0.5])
    assert keras_repreg.characterize(z)["correlation"] == pytest.approx(1.0)
    assert keras_repreg.characterize(z)["stable_rank"] == pytest.approx(1.0)


def test_class_variances_sum_to_the_variance():
    z, labels = activations(30, 4), np.random.default_rng(1).integers(0, 3, 30)
    found = keras_repreg.characterize(z, labels)
    expected = np.mean([part.var(axis=0) * len(part) for part in reference.by_class(z, labels)], axis=1).sum() / 30
    assert found["within_class_variance"] == pytest.approx(expected)
    assert found["within_class_variance"] + found["between_class_variance"] == pytest.approx(z.var(axis=0).mean())
    one_hot = keras_repreg.characterize(z, np.eye(3)[labels])
    assert_close(one_hot, found)


def test_positions_count_as_samples():
    z = activations(24, 3).reshape(4, 3, 2, 3)
    assert_close(keras_repreg.characterize(z), keras_repreg.characterize(z.reshape(24, 3)))
    labels = np.array([0, 1, 0, 2])
    flat = keras_repreg.characterize(z.reshape(24, 3), np.repeat(labels, 6))
    assert_close(keras_repreg.characterize(z, labels), flat)


def test_flattened_positions_are_units():
    z = activations(24, 3).reshape(4, 3, 2, 3)
    assert_close(keras_repreg.characterize(z, units="flatten"), keras_repreg.characterize(z.reshape(4, 18)))


@pytest.mark.parametrize(
    ("z", "labels"),
    [
        (np.ones(3), None),
        (np.array([["a", "b"]]), None),
        (np.array([[1.0, np.nan]]), None),
        (np.array([[1.0, np.inf]]), None),
        (np.ones((0, 3)), None),
        (np.ones((4, 3)), np.zeros(3)),
        (np.ones((4, 3)), np.zeros((4, 2, 2))),
        (np.ones((4, 3)), np.array([0.5, 1, 1, 1])),
        (np.ones((4, 3)), np.array([np.nan, 1, 1, 1])),
        (np.ones((4, 3)), np.full((4, 2), 0.25)),
    ],
    ids=["rank", "dtype", "nan", "infinite", "empty", "labels", "labels rank", "fractions", "nan labels", "half sums"],
)
def test_invalid_input_raises(z, labels):
    with pytest.raises(ValueError, match="Received: "):
        keras_repreg.characterize(z, labels)


def test_merging_different_settings_raises():
    with pytest.raises(ValueError, match="positive_only=True"):
        Characteristics(True).merge(Characteristics(False))
    two, three = Characteristics(), Characteristics()
    two.update(np.ones((4, 2)))
    three.update(np.ones((4, 3)))
    with pytest.raises(ValueError, match="Received: 3 units"):
        two.merge(three)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"characteristics": "nothing"}, ValueError, "amplitude.*Received: 'nothing'"),
        ({"characteristics": []}, ValueError, "Received: none"),
        ({"characteristics": 3}, TypeError, "Received: 3"),
        ({"characteristics": ["nc1"]}, ValueError, "labels.*Received: characteristics=.'nc1'"),
        ({"units": "pixels"}, ValueError, "Received: units='pixels'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_invalid_arguments_raise(arguments, error, message):
    with pytest.raises(error, match=message):
        keras_repreg.characterize(np.ones((4, 3)), **arguments)


def test_labels_must_be_given_for_all_batches_or_none():
    accumulator = Characteristics()
    accumulator.update(np.ones((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match="Received: labels=None"):
        accumulator.update(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"units. Received: shape \(2, 4\)"):
        accumulator.update(np.ones((2, 4)), np.zeros(2))


def test_nonfinite_value_makes_all_characteristics_nan():
    accumulator = Characteristics(characteristics="all")
    accumulator.update(np.array([[1.0, np.inf]]))
    accumulator.update(np.array([[1.0, 2.0]]))
    assert not accumulator.finite
    assert all(np.isnan(value).all() for value in accumulator.result().values())


def test_block_length_does_not_matter():
    # More rows than are buffered at a time, in pieces that do not divide them evenly.
    z = activations(2500, 4)
    expected = keras_repreg.characterize(z, characteristics="all")
    for dtype in ("float64", "float32"):
        accumulator = Characteristics(characteristics="all")
        for start in range(0, 2500, 700):
            accumulator.update(z[start : start + 700].astype(dtype))
        assert accumulator.samples == 2500
        assert_close(accumulator.result(), expected, rel=1e-5, absolute=1e-7)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("samples", [40, 3000])
def test_float32_with_large_mean_keeps_correlations_of_few_rounding_steps(samples, positive_only):
    # The spacing of float32 is 0.06 at 1e6.
    spread = np.random.default_rng(0).normal(0, 0.9, size=(samples, 1))
    z = (1e6 + spread * np.ones((1, 4))).astype("float32")
    found = keras_repreg.characterize(z, positive_only=positive_only)
    assert found["correlation"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("samples", [40, 3000])
def test_rounding_noise_is_not_variance(samples, positive_only):
    steps = np.random.default_rng(0).integers(0, 2, size=(samples, 4))
    for dtype in ("float32", "float64"):
        z = np.where(steps, np.nextafter(np.array(0.7, dtype), np.array(1, dtype)), np.array(0.7, dtype)).astype(dtype)
        assert keras_repreg.characterize(z, positive_only=positive_only)["correlation"] == 0


def test_nonfinite_values_survive_merging():
    broken = Characteristics()
    broken.update(np.array([[1.0, np.nan]]))
    total = Characteristics()
    total.update(np.ones((3, 2)))
    total.merge(broken)
    assert not total.finite
    assert np.isnan(list(total.result().values())).all()
    total.update(np.ones((3, 2)))
    assert not total.finite


def test_exceeding_memory_raises_before_any_work(monkeypatch):
    wide = np.zeros((2, 50_000), "float32")
    monkeypatch.setattr(accumulator_module, "available_memory", lambda: 64 << 30)
    with pytest.raises(
        ValueError, match=r"50,000 x 50,000 units.*sparsity, dead_units.*Received: characteristics=None"
    ):
        keras_repreg.characterize(wide)
    monkeypatch.setattr(accumulator_module, "available_memory", lambda: 10**6)
    keras_repreg.characterize(np.ones((2, 10)))
    with pytest.raises(ValueError, match="1,000 x 1,000 units: .* MiB, and 1 MiB are available"):
        keras_repreg.characterize(np.ones((2, 1000)))
    cheap = keras_repreg.characterize(wide, characteristics=["sparsity", "dead_units", "amplitude"])
    assert cheap == {"sparsity": 1.0, "dead_units": 1.0, "amplitude": 0.0}


def test_memory_estimate_depends_on_the_characteristics():
    def megabytes(names, **arguments):
        return Characteristics(**arguments, characteristics=names).memory(units=2000, classes=10) / 1e6

    assert megabytes(["sparsity"]) < 1
    assert megabytes(["cdnv"]) < 3
    assert megabytes(["stable_rank"]) == pytest.approx(64, rel=0.01)  # buffered samples, and the covariance
    assert megabytes(["correlation"]) == pytest.approx(160, rel=0.01)  # with four sums over pairs
    assert megabytes(["correlation"], positive_only=False) == pytest.approx(64, rel=0.01)
    assert megabytes(["classwise_stable_rank"]) == pytest.approx(640, rel=0.01)


def test_memory_stays_below_the_estimate():
    accumulator = Characteristics()
    expected = accumulator.memory(units=400)
    tracemalloc.start()
    for seed in range(10):
        accumulator.update(activations(300, 400, seed).astype("float32"))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * expected < held < 1.3 * expected


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("samples", [100, 400, 2500])
def test_memory_after_many_samples_stays_below_the_estimate(positive_only, samples):
    accumulator = Characteristics(positive_only, moments=False)
    expected = accumulator.memory(units=300, samples=samples)
    tracemalloc.start()
    for start in range(0, samples, 50):
        accumulator.update(np.maximum(activations(50, 300, start), 0).astype("float32"))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.3 * expected < held < 1.4 * expected + 1e6


def test_two_samples_define_covariance_and_correlation():
    z = np.array([[1.0, -2.0, 0.5], [-3.0, 4.0, 0.75]])
    c = np.cov(z.T, bias=True)[np.triu_indices(3, 1)]
    found = keras_repreg.characterize(z, positive_only=False)
    assert found["covariance"] == pytest.approx(np.abs(c).mean())
    assert found["correlation"] == pytest.approx(1)
    assert keras_repreg.characterize(z[:1], positive_only=False)["covariance"] == 0


def test_stable_rank_of_a_matrix():
    c = np.array([[2.0, 1.0], [1.0, 2.0]])  # eigenvalues 3 and 1
    assert stable_rank(c) == pytest.approx(10 / 9)
    assert stable_rank(np.zeros((3, 3))) == 0
    for wrong in (c[:1], c[0], np.ones((2, 2, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="Expected a finite matrix"):
            stable_rank(wrong)
