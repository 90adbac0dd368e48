"""The largest eigenvalue matches a full decomposition for difficult spectra."""

import numpy as np
import pytest

from keras_repreg.characteristics import lanczos
from keras_repreg.characteristics.lanczos import largest_eigenvalue

N = 420
RNG = np.random.default_rng(0)

SPECTRA = {
    "random": np.sort(RNG.random(N)),
    "one large": np.concatenate([np.full(N - 1, 1e-3), [1.0]]),
    "all equal": np.ones(N),
    "twice the largest": np.concatenate([np.linspace(0, 1, N - 2), [2.0, 2.0]]),
    "cluster at the top": np.concatenate([np.linspace(0, 0.9, N - 50), 1 - 1e-6 * RNG.random(50)]),
    "two clusters": np.concatenate([np.full(N // 2, 1 - 1e-9), np.full(N // 2, 1.0)]),
    "close together": 1 + 1e-3 * RNG.random(N),
    "low rank": np.concatenate([np.zeros(N - 3), [1.0, 2.0, 2.0 + 1e-7]]),
    "geometric": 0.9 ** np.arange(N),
    "tiny": 1e-300 * RNG.random(N),
    "zeros": np.zeros(N),
}


@pytest.mark.parametrize("kind", SPECTRA)
def test_matches_the_decomposition(kind):
    q = np.linalg.qr(RNG.normal(size=(N, N)))[0]
    matrix = (q * SPECTRA[kind]) @ q.T
    assert largest_eigenvalue((matrix + matrix.T) / 2) == pytest.approx(SPECTRA[kind].max(), rel=1e-10, abs=1e-290)


@pytest.mark.parametrize("samples", [300, 500, 5000])
def test_matches_the_decomposition_for_sample_covariances(samples):
    z = RNG.normal(size=(samples, N))
    c = np.cov(z.T)
    assert largest_eigenvalue(c) == pytest.approx(np.linalg.eigvalsh(c)[-1], rel=1e-10)


def test_diagonal_matrices_whose_eigenvectors_are_units():
    c = np.diag(np.arange(1.0, N + 1))
    assert largest_eigenvalue(c) == pytest.approx(N, rel=1e-10)


def test_nonconvergence_falls_back_to_the_decomposition(monkeypatch):
    monkeypatch.setattr(lanczos, "STEPS", 3)
    c = np.diag(np.linspace(1, 2, N))
    assert largest_eigenvalue(c) == pytest.approx(2, rel=1e-12)


def test_empty_and_small():
    assert largest_eigenvalue(np.zeros((0, 0))) == 0
    assert largest_eigenvalue(np.array([[2.0, 1.0], [1.0, 2.0]])) == pytest.approx(3)
