"""CKA, CCA and Procrustes against loops and definitions, when streaming, and for identical output networks."""

import itertools

import numpy as np
import pytest

from keras_repreg import similarity
from keras_repreg.similarity import CrossMoments, cca, cka, procrustes

RNG = np.random.default_rng(0)
MEASURES = {
    "cka": cka,
    "biased cka": lambda a, b: cka(a, b, debiased=False),
    "cca": cca,
    "procrustes": procrustes,
}
STREAMED = {
    "cka": CrossMoments.cka,
    "biased cka": lambda moments: moments.cka(debiased=False),
    "cca": CrossMoments.cca,
    "procrustes": CrossMoments.procrustes,
}


def hsic_1(k, other):
    """Return HSIC_1 by its definition, a U-statistic over quadruples of distinct samples (Song et al., 2012, eq. 4)."""
    total, number = 0.0, 0
    for i, j, q, r in itertools.permutations(range(len(k)), 4):
        total += k[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q])
        number += 1
    return total / number


def debiased_cka(a, b):
    first, second = a @ a.T, b @ b.T
    return hsic_1(first, second) / np.sqrt(hsic_1(first, first) * hsic_1(second, second))


def biased_cka(a, b):
    n = len(a)
    h = np.eye(n) - np.ones((n, n)) / n
    first, second = h @ a @ a.T @ h, h @ b @ b.T @ h
    return np.trace(first @ second) / np.sqrt(np.trace(first @ first) * np.trace(second @ second))


def mean_canonical_correlation(a, b):
    """Return the mean over the solutions of Hotelling's (1936) eigenvalue problem."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    matrix = np.linalg.pinv(a.T @ a) @ a.T @ b @ np.linalg.pinv(b.T @ b) @ b.T @ a
    rank = min(np.linalg.matrix_rank(a), np.linalg.matrix_rank(b))
    squares = np.sort(np.linalg.eigvals(matrix).real)[::-1][:rank]
    return np.mean(np.sqrt(np.clip(squares, 0, 1)))


def angular_distance(a, b):
    """Return the angle after the best rotation, with zero-padded widths as in `netrep`."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (a, b))
    u, _, v = np.linalg.svd(a.T @ b)
    rotated = a @ (u @ v)
    return np.arccos(min(np.sum(rotated * b) / (np.linalg.norm(a) * np.linalg.norm(b)), 1))


ORACLES = {
    "cka": debiased_cka,
    "biased cka": biased_cka,
    "cca": mean_canonical_correlation,
    "procrustes": angular_distance,
}


def pair(samples, units, others, seed=0):
    """Return two related representations with a large mean."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(samples, units)) @ rng.normal(size=(units, units)) + 5
    b = a[:, : min(units, others)] @ rng.normal(size=(min(units, others), others))
    return a, b + rng.normal(size=b.shape) - 20


@pytest.mark.parametrize("shape", [(12, 3, 4), (9, 5, 2), (8, 20, 3), (7, 11, 30)], ids=str)
@pytest.mark.parametrize("name", MEASURES)
def test_matches_the_definition(name, shape):
    a, b = pair(*shape)
    if name == "cca" and min(shape[1:]) >= shape[0]:
        assert cca(a, b) == pytest.approx(1)  # with more units than samples, every direction is shared
        return
    assert MEASURES[name](a, b) == pytest.approx(ORACLES[name](a, b), abs=1e-8)
    assert MEASURES[name](b, a) == pytest.approx(MEASURES[name](a, b), abs=1e-8)


@pytest.mark.parametrize("name", MEASURES)
def test_streaming_and_merging_match_a_single_batch(name):
    a, b = pair(60, 4, 6)
    expected = MEASURES[name](a, b)
    for sizes in ([60], [1] * 60, [7, 0, 53], [30, 30]):
        bounds = np.cumsum([0, *sizes])
        streamed, merged = CrossMoments(), CrossMoments()
        for start, stop in itertools.pairwise(bounds):
            streamed.update(a[start:stop], b[start:stop])
            other = CrossMoments()
            other.update(a[start:stop], b[start:stop])
            merged.merge(other)
        assert streamed.samples == merged.samples == 60
        assert STREAMED[name](streamed) == pytest.approx(expected, abs=1e-7)
        assert STREAMED[name](merged) == pytest.approx(expected, abs=1e-7)


def rotation(units):
    return np.linalg.qr(np.random.default_rng(1).normal(size=(units, units)))[0]


@pytest.mark.parametrize("samples", [10, 200], ids=["few samples", "many"])
def test_rotation_scale_and_shift_change_nothing(samples):
    a = pair(samples, 20, 3)[0]
    twin = 0.01 * a @ rotation(20) - 7
    assert cka(a, twin) == pytest.approx(1)
    assert cka(a, twin, debiased=False) == pytest.approx(1)
    assert procrustes(a, twin) == pytest.approx(0, abs=1e-6)


def test_nonsingular_map_preserves_only_cca():
    a = pair(200, 10, 3)[0]
    twin = a @ (rotation(10) * np.geomspace(0.1, 10, 10)) + 3
    assert cca(a, twin) == pytest.approx(1)
    assert cka(a, twin) < 0.99
    assert procrustes(a, twin) > 0.05


@pytest.mark.parametrize("samples", [20, 50, 1000])
def test_debiased_alignment_of_independent_representations_is_near_zero(samples):
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=(samples, 60)), rng.normal(size=(samples, 60))) for _ in range(20)]
    assert abs(np.mean([cka(a, b) for a, b in draws])) < 0.03
    if samples <= 50:
        assert np.mean([cka(a, b, debiased=False) for a, b in draws]) > 0.4


def test_procrustes_is_a_metric():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b, c = (rng.normal(size=(15, units)) for units in (3, 5, 4))
        assert procrustes(a, c) <= procrustes(a, b) + procrustes(b, c) + 1e-9
        assert 0 <= procrustes(a, b) <= np.pi / 2


def test_positions_count_as_units():
    a, b = RNG.normal(size=(12, 2, 3, 4)), RNG.normal(size=(12, 5))
    for measure in MEASURES.values():
        assert measure(a, b) == pytest.approx(measure(a.reshape(12, 24), b))


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("factor", [1e-10, 1e10])
def test_result_does_not_depend_on_scale(name, factor):
    a, b = pair(40, 5, 3)
    assert MEASURES[name](a * factor, b) == pytest.approx(MEASURES[name](a, b), abs=1e-7)


@pytest.mark.parametrize("kind", ["zeros", "constant", "one sample", "none", "three samples", "one unit"])
@pytest.mark.parametrize("name", MEASURES)
def test_degenerate_representations_give_finite_values(name, kind):
    z = {
        "zeros": np.zeros((10, 3)),
        "constant": np.full((10, 3), 0.1),
        "one sample": np.ones((1, 3)),
        "none": np.ones((0, 3)),
        "three samples": RNG.normal(size=(3, 3)),
        "one unit": RNG.normal(size=(10, 1)),
    }[kind]
    other = RNG.normal(size=(len(z), 4))
    moments = CrossMoments()
    moments.update(z, other)
    for found in (MEASURES[name](z, other), MEASURES[name](other, z), STREAMED[name](moments)):
        assert np.isfinite(found)
        if kind in ("zeros", "none", "one sample"):
            assert found == (pytest.approx(np.pi / 2) if name == "procrustes" else 0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones(3), np.ones((3, 2)), r"`a` of shape .* Received: shape \(3,\)"),
        (np.ones((3, 2)), np.ones((4, 2)), "Received: 3 and 4"),
        (np.array([[np.nan, 1]]), np.ones((1, 2)), "finite values in `a`.*Received: 1 NaN"),
        (np.ones((1, 2)), np.array([["a", "b"]]), "real numbers"),
    ],
    ids=["rank", "lengths", "nan", "text"],
)
def test_invalid_input_raises(a, b, message):
    for measure in (cka, cca, procrustes, CrossMoments().update):
        with pytest.raises(ValueError, match=message):
            measure(a, b)


def test_invalid_arguments_and_widths_raise():
    with pytest.raises(TypeError, match="Received: debiased=1"):
        cka(np.ones((5, 2)), np.ones((5, 2)), debiased=1)
    moments, other = CrossMoments(), CrossMoments()
    moments.update(np.ones((5, 2)), np.ones((5, 3)))
    other.update(np.ones((5, 2)), np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"Received: \(2, 4\)"):
        moments.update(np.ones((5, 2)), np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"Received: \(2, 4\) units"):
        moments.merge(other)
    assert set(similarity.__all__) >= {"cka", "cca", "procrustes", "compare"}
