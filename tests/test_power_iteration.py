"""The accelerated power iteration against a decomposition, at every gap between the largest singular values."""

import numpy as np
import pytest
from keras import ops

from keras_repreg import batch_statistics
from keras_repreg.classes import HardClasses
from keras_repreg.power_iteration import Matrices, leading_vectors
from tests.classes.cases import value_and_gradient


def with_singular_values(s, columns, seed):
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(len(s), len(s))))
    v, _ = np.linalg.qr(rng.normal(size=(columns, len(s))))
    return ((u * s) @ v.T).astype("float32")


SPECTRA = {
    **{
        f"gap {gap:g}": np.array([1, 1 - gap, *np.linspace(0.5, 0.01, 58)])
        for gap in (0.5, 0.1, 0.03, 1e-2, 1e-3, 1e-5)
    },
    "all equal": np.ones(60),
    "ten equal": np.array([1.0] * 10 + [0.3] * 50),
    "linear": np.linspace(1, 0.01, 60),
    "rank one": np.array([1.0] + [0.0] * 59),
    "random": np.linalg.svd(np.random.default_rng(0).normal(size=(60, 80)), compute_uv=False),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_stable_rank(spectrum, seed):
    s = SPECTRA[spectrum]
    z = with_singular_values(s, 90, seed)
    expected = float((s**2).sum() / s.max() ** 2)
    value, gradient = value_and_gradient(lambda t: batch_statistics.stable_rank(t, "power"), z)
    assert value == pytest.approx(expected, rel=1e-3)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("seed", range(3))
def test_all_classes_are_computed_together(seed):
    spectra = list(SPECTRA.values())
    z = np.concatenate([with_singular_values(s, 70, seed) for s in spectra])
    ids = np.repeat(np.arange(len(spectra)), [len(s) for s in spectra])
    order = np.random.default_rng(seed).permutation(len(ids))
    classes = HardClasses(ops.convert_to_tensor(ids[order].astype("int32")), "float32")
    value, gradient = value_and_gradient(lambda t: classes.stable_rank_sum(t, "power"), z[order])
    assert value == pytest.approx(sum(float((s**2).sum() / s.max() ** 2) for s in spectra), rel=1e-3)
    assert np.isfinite(gradient).all()


def test_gram_matrix_and_passes_over_z_agree(monkeypatch):
    z = with_singular_values(SPECTRA["random"], 90, 0)
    by_gram = value_and_gradient(lambda t: batch_statistics.stable_rank(t, "power"), z)
    monkeypatch.setattr(batch_statistics, "SMALL_GRAM", 1)
    by_passes = value_and_gradient(lambda t: batch_statistics.stable_rank(t, "power"), z)
    assert by_passes[0] == pytest.approx(by_gram[0], rel=1e-5)
    np.testing.assert_allclose(by_passes[1], by_gram[1], rtol=1e-2, atol=1e-4)


def test_rows_with_their_negatives():
    # The eigenvector is orthogonal to every start vector that is equal for a row and its negative.
    half = np.random.default_rng(0).normal(size=(20, 30)).astype("float32")
    z = np.concatenate([half, -half])
    s = np.linalg.svd(z.astype(np.float64), compute_uv=False)
    value, _ = value_and_gradient(lambda t: batch_statistics.stable_rank(t, "power"), z)
    assert value == pytest.approx(float((s**2).sum() / s[0] ** 2), rel=1e-3)


def batched(grams):
    """Return the products of matrices of shape (K, n, n) with vectors in the columns of an (n, K) array."""
    return Matrices(
        lambda u: ops.einsum("kij,jk->ik", grams, u),
        lambda *pairs: tuple(ops.sum(u * v, axis=0, keepdims=True) for u, v in pairs),
        ops.transpose(ops.diagonal(grams, axis1=1, axis2=2)),
    )


def relative_errors(z):
    """Return errors of the leading eigenvalues of z z^T, and ratios of the two largest singular values."""
    z = z.astype(np.float64)
    grams = z @ z.transpose(0, 2, 1)
    u = leading_vectors(batched, ops.convert_to_tensor(grams.astype("float32")))
    u = ops.convert_to_numpy(u).astype(np.float64).T
    found = np.einsum("ki,kij,kj->k", u, grams, u) / np.maximum((u**2).sum(axis=1), 1e-30)
    s = np.linalg.svd(z, compute_uv=False)
    return np.abs(found / s[:, 0] ** 2 - 1), s[:, 0] / np.maximum(s[:, 1], 1e-30)


@pytest.mark.parametrize(("samples", "units"), [(2, 4), (5, 3), (12, 40)])
def test_thousands_of_matrices_converge_to_their_own_vectors(samples, units):
    # Matrices that converge early must stay correct while the others continue.
    errors, ratios = relative_errors(np.random.default_rng(0).normal(size=(5000, samples, units)))
    assert errors[ratios > 1.05].max() < 1e-6
    assert errors.max() < 1e-3


@pytest.mark.parametrize("t", [0.995, 0.9925, 0.99])
def test_start_at_the_second_eigenvector_converges(t):
    # For this c, the first start is the eigenvector of the smaller eigenvalue of [[1, -c], [-c, t^2]].
    ratio = t * (1.5 + np.sin(2)) / (1.5 + np.sin(1))
    c = (1 - t**2) / (ratio - 1 / ratio)
    z = np.array([[[1.0, 0.0], [-c, np.sqrt(t**2 - c**2)]]])
    errors, _ = relative_errors(z)
    assert errors.max() < 1e-6


def test_pairs_of_samples_at_any_angle():
    lengths, cosines = np.meshgrid(np.linspace(0.9, 1.1, 81), np.linspace(-1, 1, 101))
    second = np.stack([lengths * cosines, lengths * np.sqrt(1 - cosines**2)], axis=-1).reshape(-1, 2)
    z = np.stack([np.broadcast_to([1.0, 0.0], second.shape), second], axis=1)
    errors, ratios = relative_errors(z)
    assert errors[ratios > 1.05].max() < 1e-6
    assert errors.max() < 1e-3


@pytest.mark.parametrize("classes", [10, 5000])
def test_classwise_rank_of_many_classes(classes):
    z = np.random.default_rng(0).normal(size=(classes, 2, 4)).astype("float32")
    s = np.linalg.svd(z.astype(np.float64), compute_uv=False)
    ids = np.repeat(np.arange(classes), 2).astype("int32")
    of_classes = HardClasses(ops.convert_to_tensor(ids), "float32")
    value, gradient = value_and_gradient(lambda t: of_classes.stable_rank_sum(t, "power"), z.reshape(-1, 4))
    assert value == pytest.approx(float(((s**2).sum(axis=1) / s[:, 0] ** 2).sum()), rel=1e-6)
    assert np.isfinite(gradient).all()
