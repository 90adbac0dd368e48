"""Monte Carlo values of mutual information: quadrature, closed forms, standard errors, and invariances."""

import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_repreg.information import draws, monte_carlo, mutual, mutual_information, noise_sweep
from keras_repreg.information.tally import Mean
from tests.information.cases import CONSTELLATIONS, clusters, quadrature

SEEDS = 30


@pytest.fixture(scope="module")
def deviations():
    """Return deviations from quadrature in standard errors: {(constellation, noise variance): (seeds, 2)}."""
    found = {}
    for name, (points, labels) in CONSTELLATIONS.items():
        for noise_variance in (0.5, 2.0, 20.0):
            truth = quadrature(points, labels, noise_variance)
            # Every cell has different draws.
            results = [
                mutual_information(points, labels, noise_variance, seed=1000 * len(found) + k) for k in range(SEEDS)
            ]
            found[name, noise_variance] = np.array(
                [
                    [(result.zx - truth[0]) / result.zx_error, (result.zy - truth[1]) / result.zy_error]
                    for result in results
                ]
            )
    return found


def test_two_standard_errors_cover_the_truth(deviations):
    covered = np.array([np.mean(np.abs(found) <= 2, axis=0) for found in deviations.values()])
    assert np.all(covered.mean(axis=0) >= 0.9)
    assert np.all(covered.mean(axis=0) <= 0.99)
    assert covered.min() >= 0.8  # with 30 seeds; the expected coverage is 0.95


def test_standard_errors_are_calibrated_and_values_unbiased(deviations):
    everything = np.concatenate(list(deviations.values()))
    assert everything.std(axis=0) == pytest.approx([1, 1], abs=0.1)
    assert np.all(np.abs(everything.mean(axis=0)) < 0.2)


def test_values_match_the_table_in_the_documentation():
    """The numbers in docs/information.md are reproduced up to the last digit."""
    expected = {
        ("two points", 1.0): (0.3368, 0.3368),
        ("4-PAM", 1.0): (0.8452, 0.5084),
        ("8-PAM", 0.25): (1.4460, 0.1503),
        ("16-QAM", 1.0): (1.6905, 0.8452),
    }
    for (name, noise_variance), values in expected.items():
        points, labels = CONSTELLATIONS[name]
        assert quadrature(points, labels, noise_variance) == pytest.approx(values, abs=1e-4)
        result = mutual_information(points, labels, noise_variance, samples=100_000)
        assert abs(result.zx - values[0]) < 4 * result.zx_error + 1e-4 < 0.02
        assert abs(result.zy - values[1]) < 4 * result.zy_error + 1e-4 < 0.02


@pytest.mark.parametrize("noise_variance", [0.1, 1.0, 10.0])
def test_gaussian_cloud_matches_the_closed_form(noise_variance):
    grid = (np.arange(1000) + 0.5) / 1000
    z = math.sqrt(2) * np.array([_inverse_erf(2 * p - 1) for p in grid])
    z /= z.std()  # quantiles, which cut off the tails
    result = mutual_information(z[:, None], None, noise_variance, samples=20_000)
    assert result.zx == pytest.approx(0.5 * math.log(1 + 1 / noise_variance), abs=4 * result.zx_error + 2e-3)
    assert result.zx_error < 0.002


def _inverse_erf(value):
    low, high = -6.0, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < value else (low, middle)
    return low


def test_information_of_independent_units_adds_up():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(12, 1)), rng.normal(size=(12, 2))
    product = np.array([np.concatenate([x, y]) for x in a for y in b])
    parts = [mutual_information(part, None, 0.4, samples=200_000) for part in (a, b)]
    whole = mutual_information(product, None, 0.4, samples=200_000)
    error = math.hypot(whole.zx_error, *(part.zx_error for part in parts))
    assert whole.zx == pytest.approx(sum(part.zx for part in parts), abs=4 * error)


def test_chunks_of_draws_and_tiles_change_nothing(monkeypatch):
    z, labels = clusters(samples=90, units=6, classes=4)
    whole = mutual_information(z, labels, 0.3, samples=90 * 2 * 30)
    for module in (draws, monte_carlo):
        monkeypatch.setattr(module, "ROWS", 16)
        monkeypatch.setattr(module, "COLUMNS", 7)
    monkeypatch.setattr(draws, "STRIP", 3)
    tiled = mutual_information(z, labels, 0.3, samples=90 * 2 * 30)
    assert tiled.n_draws == whole.n_draws == 5400
    for name in ("zx", "zy"):
        error = math.hypot(getattr(whole, f"{name}_error"), getattr(tiled, f"{name}_error"))
        assert getattr(tiled, name) == pytest.approx(getattr(whole, name), abs=4 * error)
        assert getattr(tiled, f"{name}_error") == pytest.approx(getattr(whole, f"{name}_error"), rel=0.2)


@pytest.mark.parametrize("columns", [1, 4, 7, 512])
@pytest.mark.parametrize("rows", [slice(0, 20), slice(10, 30), slice(45, 50)], ids=str)
def test_tiled_sums_match_the_formula(rows, columns, monkeypatch):
    monkeypatch.setattr(draws, "COLUMNS", columns)
    monkeypatch.setattr(draws, "STRIP", 2)
    z, labels = clusters(samples=50, units=3, classes=6)
    labels = np.sort(labels)
    with ThreadPoolExecutor(2) as threads:
        sampler = draws.Draws(z, labels, [0.2, 1.5], threads)
        found = sampler.draw(np.random.default_rng(5), rows, 3, [1])[0]
    samples = rows.stop - rows.start
    noise = np.random.default_rng(5).standard_normal((3, samples, 3))
    differences = (z[rows, None] - z) / math.sqrt(1.5)
    for r in range(3):
        for i in range(samples):
            both = [-0.5 * (differences[i] ** 2).sum(axis=1) + sign * differences[i] @ noise[r, i] for sign in (-1, 1)]
            of_all = np.mean([np.log(np.exp(e).sum()) for e in both])
            of_class = np.mean([np.log(np.exp(e[labels == labels[rows.start + i]]).sum()) for e in both])
            assert found[r, i, 0] == pytest.approx(of_all, rel=1e-12)
            assert found[r, i, 1] == pytest.approx(of_all - of_class, rel=1e-10, abs=1e-12)


def test_control_variates_are_quadratic_forms_of_the_noise():
    z, labels = clusters(samples=40, units=3, classes=2)
    labels = np.sort(labels)
    with ThreadPoolExecutor(1) as threads:
        found = draws.Draws(z, labels, [0.7], threads).draw(np.random.default_rng(1), slice(0, 40), 2, [0])[0]
    noise = np.random.default_rng(1).standard_normal((2, 40, 3))
    within = z - np.array([z[labels == k].mean(axis=0) for k in (0, 1)])[labels]
    for number, deviations in ((2, z - z.mean(axis=0)), (3, within)):
        covariance = deviations.T @ deviations / 40
        shrunk = covariance @ np.linalg.inv(covariance + 0.7 * np.eye(3))
        expected = -0.5 * (np.einsum("rim,mk,rik->ri", noise, shrunk, noise) - np.trace(shrunk))
        np.testing.assert_allclose(found[..., number], expected, rtol=1e-9)


def test_control_variates_reduce_the_error(monkeypatch):
    z = np.random.default_rng(0).normal(size=(400, 5))
    controlled = mutual_information(z, None, 10.0, samples=4000)
    monkeypatch.setattr(draws, "CONTROLLED", 0)
    plain = mutual_information(z, None, 10.0, samples=4000)
    assert controlled.zx_error < plain.zx_error / 5
    assert controlled.zx == pytest.approx(plain.zx, abs=4 * plain.zx_error)


def test_rotation_of_more_units_than_samples_changes_nothing():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 6))
    rotation = np.linalg.qr(rng.normal(size=(500, 6)))[0]
    few = mutual_information(z, np.arange(20) % 3, 2.0, samples=40_000)
    many = mutual_information(100 + z @ rotation.T, np.arange(20) % 3, 2.0, samples=40_000)
    assert many.n_units == 500
    for name in ("zx", "zy"):
        error = math.hypot(getattr(few, f"{name}_error"), getattr(many, f"{name}_error"))
        assert getattr(many, name) == pytest.approx(getattr(few, name), abs=4 * error)


def test_curves_are_smooth_and_fall_with_the_noise():
    z, labels = clusters(samples=120, units=5)
    variances = np.geomspace(0.001, 100, 60)
    sweep = noise_sweep(z, labels, variances, samples=1000)
    for name in ("zx", "zy"):
        curve = np.array([getattr(result, name) for result in sweep])
        errors = np.array([getattr(result, f"{name}_error") for result in sweep])
        assert np.all(np.diff(curve) <= 2 * np.hypot(errors[1:], errors[:-1]) + 1e-12)
    # With independent draws for each point, the values would differ by their errors.
    other = np.array(
        [mutual_information(z, labels, variance, samples=1000, seed=k).zx for k, variance in enumerate(variances)]
    )
    rough = [np.abs(np.diff(curve, 2)).max() for curve in (np.array([result.zx for result in sweep]), other)]
    assert rough[0] < rough[1]


def test_sweep_matches_values_of_single_variances():
    z, labels = clusters(samples=300, units=3)
    variances = [1.0, 1e-4, 0.05]
    for result, variance in zip(noise_sweep(z, labels, variances), variances, strict=True):
        single = mutual_information(z, labels, variance)
        assert result.n_draws == single.n_draws
        assert (result.zx, result.zx_error, result.zy) == pytest.approx(
            (single.zx, single.zx_error, single.zy), rel=1e-12
        )


def test_sampling_continues_until_the_relative_error_is_reached():
    z, labels = clusters(samples=40, units=3, spread=0.6)
    result = mutual_information(z, labels, 0.1)
    assert result.zx_error <= 0.005 * result.zx
    assert result.zy_error <= 0.005 * result.label_entropy
    one = mutual_information(z, np.arange(40) == 0, 0.1)  # a class of one sample, which carries little information
    assert one.zy_error <= 0.005 * one.label_entropy < 0.002 * one.zx
    more = mutual_information(z, labels, 0.1, samples=100 * result.n_draws)
    assert more.n_draws >= 100 * result.n_draws
    assert more.zx_error == pytest.approx(result.zx_error / 10, rel=0.2)
    assert mutual_information(z, labels, 0.1, samples=1).n_draws == 4 * 40
    assert mutual_information(z, labels, 0.1, samples=161).n_draws == 6 * 40


def test_little_information_also_has_a_small_relative_error():
    z = np.random.default_rng(0).standard_t(1.5, size=(40, 1))
    result = mutual_information(z, None, 100.0)
    assert result.zx < 0.02 * math.log(40)
    assert result.zx_error <= 0.005 * result.zx
    assert result.n_draws > 4 * 4096  # the first draws were not enough


def test_seeds_determine_the_values():
    z, labels = clusters()
    a, b, again = (mutual_information(z, labels, 0.2, seed=seed) for seed in (1, 2, 1))
    assert a == again
    assert a.zx != b.zx
    assert a.zx == pytest.approx(b.zx, abs=4 * math.hypot(a.zx_error, b.zx_error))
    assert a.zx_upper == b.zx_upper


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_values_lie_between_the_bounds(data):
    samples, units = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    z = np.maximum(rng.normal(size=(samples, units)), 0)
    z[rng.integers(0, samples, samples // 3)] = z[0]
    z = data.draw(st.sampled_from([1e-8, 1e-2, 1.0, 1e3, 1e8])) * z + data.draw(st.sampled_from([0.0, 1e4]))
    labels = rng.integers(0, data.draw(st.integers(1, 5)), samples)
    result = mutual_information(z, labels, data.draw(st.sampled_from([1e-6, 0.1, 1e4])))
    zx, zy = 5 * result.zx_error + 1e-14, 5 * result.zy_error + 1e-14
    assert result.zx_lower - zx <= result.zx <= result.zx_upper + zx
    assert result.zy_lower - zy <= result.zy <= result.zy_upper + zy
    assert result.zx <= math.log(samples) + 1e-8
    assert result.zy <= result.label_entropy + 1e-8


@pytest.mark.parametrize(
    ("loss", "lower", "error"),
    [
        (0.01, 1.5, math.hypot(0.003, 2 / 100)),
        (0.01, 1.99, math.hypot(0.003, 0.01)),  # no more than the distance of the bounds
        (0.03, 1.5, 0.003),  # more than 1% below the limit
    ],
)
def test_error_near_the_limit_includes_losses_that_were_not_drawn(loss, lower, error):
    value = mutual._value(2.0, Mean(loss, 0.003), lower, 2.0, 100)
    assert value == (pytest.approx(2 - loss), pytest.approx(error))


def test_rare_losses_are_included_in_the_error():
    points, labels = CONSTELLATIONS["two points"]
    truth = quadrature(points, labels, 0.06)[0]
    results = [mutual_information(points, labels, 0.06, seed=seed) for seed in range(20)]
    assert all(result.zx_saturated for result in results)
    assert max(result.zx for result in results) > truth + 1e-5  # some seeds draw no loss
    assert all(abs(result.zx - truth) < 2 * result.zx_error < 0.002 for result in results)


@pytest.mark.parametrize(("far_out", "scale"), [(1e3, 1e-6), (2.0**20, 2.0**-32)])
def test_close_samples_far_from_the_centre_keep_precision(far_out, scale):
    # One sample is at the centre: the largest norm matters, not the smallest or the first.
    points, labels = CONSTELLATIONS["4-PAM"]
    near = scale * points[:, 0]
    far = np.zeros((9, 2))
    far[1:5, 0], far[1:5, 1] = far_out, near
    far[5:, 0], far[5:, 1] = -far_out, near
    of_four = quadrature(points, labels, 1.0)
    # Eight of the nine samples form two groups that the noise does not mix.
    expected = math.log(9) - 8 / 9 * math.log(4) + 8 / 9 * of_four[0]
    result = mutual_information(far, [0, *labels, *labels], scale**2, samples=200_000)
    assert result.zx == pytest.approx(expected, abs=4 * result.zx_error)
    assert result.zx_error < 2e-3
    exact = 0.0
    for row in far:
        exact += math.log(np.exp(-((far - row) ** 2).sum(axis=1) / (2 * scale**2)).sum()) / 9
    assert result.zx_upper == pytest.approx(math.log(9) - exact, rel=1e-8)


def test_samples_with_overflowing_squares_raise():
    for z in ([[-1e200], [0.0], [1e200]], [[0.0], [0.0], [1e200]], [[0.0], [1e200], [0.0]]):
        with pytest.raises(ValueError, match="Received: squared norms"):
            mutual_information(z, [0, 1, 2], 0.1)


@pytest.mark.parametrize("samples", [1, 2, 50])
def test_degenerate_activations_give_zero_information(samples):
    result = mutual_information(np.full((samples, 3), 0.1), np.arange(samples) % 2)
    assert (result.zx, result.zx_error, result.zy, result.zy_error) == (0, 0, 0, 0)
    apart = mutual_information(1e6 * np.arange(samples)[:, None], np.arange(samples))
    assert (apart.zx, apart.zx_error) == (apart.sample_entropy, 0)
    assert apart.zy == pytest.approx(apart.label_entropy)


def test_single_class_gives_zero():
    z, labels = clusters()
    result = mutual_information(z, np.zeros_like(labels), 0.2)
    assert (result.zy, result.zy_error) == pytest.approx((0, 0), abs=1e-12)
    assert result.zx == pytest.approx(mutual_information(z, None, 0.2).zx, rel=1e-9)


def test_missing_labels_give_only_information_about_the_input():
    z, labels = clusters()
    result = mutual_information(z, noise_variance=0.2)
    of_y = ("zy", "zy_error", "zy_lower", "zy_upper", "zy_lower_conventional", "zy_upper_conventional", "label_entropy")
    assert [getattr(result, name) for name in of_y] == [None] * 7
    with_labels = mutual_information(z, labels, 0.2)
    assert result.zx_lower == pytest.approx(with_labels.zx_lower, rel=1e-12)
    assert result.zx == pytest.approx(with_labels.zx, abs=4 * with_labels.zx_error)
    assert "y" not in str(result).split(";")[1]
    assert str(result).startswith(f"I(z;x) = {result.zx:.4g} ± ")


@pytest.mark.parametrize("samples", [0, -1, 1.5, "4", True])
def test_invalid_numbers_of_draws_raise(samples):
    with pytest.raises(ValueError, match=f"Received: samples={samples!r}"):
        mutual_information(np.ones((3, 2)), None, samples=samples)


@pytest.mark.parametrize("seed", [-1, 0.5, None, "0", True])
def test_invalid_seeds_raise(seed):
    with pytest.raises(ValueError, match=f"Received: seed={seed!r}"):
        mutual_information(np.ones((3, 2)), None, seed=seed)


def test_memory_grows_linearly_with_the_samples():
    z = np.random.default_rng(0).normal(size=(4000, 50))
    tracemalloc.start()
    mutual_information(z, np.arange(4000) % 10, 10.0, samples=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4000**2 / 2


@pytest.mark.parametrize(("samples", "pairs"), [(10, 2**20 // 20 // 2), (10_000, 2), (100_000, 2)])
def test_draws_are_limited_by_number_and_by_cost(samples, pairs):
    batches = list(monte_carlo._batches(samples, None))
    assert batches[0] == max(2, -(-4096 // samples))
    assert sum(batches) <= max(batches[0], 2**20 // samples)
    assert sum(batches) * samples**2 <= max(batches[0] * samples**2, 2**29)
    assert sum(batches) >= pairs
