"""VCReg has two terms and keeps activations from shrinking."""

import numpy as np
import pytest

import keras_repreg
from tests import reference
from tests.layers.cases import batch, gradient, penalty

VC = keras_repreg.VCRegularization


def test_each_weight_scales_its_term():
    z, _ = batch(20, 12, 2)
    exact = np.asarray(z, "float64")
    c = np.cov(exact.T)
    too_small = np.maximum(1 - np.sqrt(np.diag(c) + 1e-4), 0).mean()
    energy = (c**2).sum() - (np.diag(c) ** 2).sum()
    assert penalty(VC(2.0, 0.0), z) == pytest.approx(2 * too_small, rel=1e-5)
    assert penalty(VC(0.0, 3.0), z) == pytest.approx(3 * energy / 12, rel=1e-4)
    assert penalty(VC(0.0, 3.0, normalize=True), z) == pytest.approx(3 * energy / (12 * 11), rel=1e-4)
    assert penalty(VC(2.0, 3.0), z) == pytest.approx(2 * too_small + 3 * energy / 12, rel=1e-4)


def test_units_with_enough_variance_have_no_penalty():
    z = 3 * np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    assert penalty(VC(1.0, 0.0), z) == 0
    assert not gradient(VC(1.0, 0.0), z).any()


def test_activations_do_not_shrink_as_under_covariance_regularization():
    rng = np.random.default_rng(0)
    start = (rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, 4))).astype("float32")

    def after_gradient_descent(layer):
        z = start
        for _ in range(300):
            z = z - 0.5 * gradient(layer, z)
        return z

    covariance, both = (
        after_gradient_descent(layer) for layer in (keras_repreg.CovarianceRegularization(1.0), VC(4.0, 4.0))
    )
    assert reference.cr(covariance.astype("float64")) < 1e-2
    assert reference.cr(both.astype("float64")) < 1e-2
    assert covariance.var(axis=0).mean() < 0.5
    assert both.var(axis=0).min() > 0.9


@pytest.mark.parametrize("name", ["variance_weight", "covariance_weight"])
def test_single_weight_argument_raises(name):
    config = VC(0.1, 0.2).get_config()
    assert "weight" not in config
    assert config[name] in (0.1, 0.2)
    with pytest.raises(TypeError, match="weight"):
        VC(weight=0.1)
