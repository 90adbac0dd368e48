"""Noise relative to a layer's scale."""

import numpy as np
import pytest

from keras_repreg.information import mutual_information, relative_noise_variance
from tests.information.cases import clusters


def test_relative_noise_is_a_fraction_of_the_mean_variance_of_live_units():
    z = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 2.0, 5.0]
    dead = np.concatenate([z, np.full((50, 4), 7.1)], axis=1)
    for share in (0.5, 1.0, 3.0):
        expected = share**2 * np.mean([z[:, i].var() for i in range(3)])
        assert relative_noise_variance(z, share) == pytest.approx(expected)
        assert relative_noise_variance(dead, share) == pytest.approx(expected)
    assert relative_noise_variance(z) == pytest.approx(z.var(axis=0).mean())


def test_information_does_not_depend_on_the_scale():
    z, labels = clusters()
    small, large = (mutual_information(k * z, labels, relative_noise_variance(k * z, 0.5)) for k in (1.0, 1000.0))
    assert small.zx == pytest.approx(large.zx, rel=1e-9)
    assert small.zy == pytest.approx(large.zy, rel=1e-9)
    assert not small.zx_saturated


@pytest.mark.parametrize(
    "z", [np.zeros((4, 2)), np.full((4, 2), 0.1), [[1.0, 2.0]], [[1e-300], [0.0]], [[1e300], [0.0]]]
)
def test_activations_without_variance_raise(z):
    with pytest.raises(ValueError, match="Received: mean variance"):
        relative_noise_variance(z)


@pytest.mark.parametrize("share", [0, -1, "1", None, True])
def test_invalid_shares_raise(share):
    with pytest.raises(ValueError, match=f"Received: share={share!r}"):
        relative_noise_variance([[1.0], [2.0]], share)
