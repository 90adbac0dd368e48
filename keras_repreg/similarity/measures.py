"""Similarity measures of two representations of the same samples: CKA, CCA and Procrustes."""

from typing import Any

import numpy as np

from keras_repreg.arrays import to_numpy
from keras_repreg.characteristics.accumulator import check_bool
from keras_repreg.characteristics.covariances import has_digits_of_float64
from keras_repreg.characteristics.moments import Array
from keras_repreg.similarity.cross_moments import CrossMoments
from keras_repreg.similarity.samples import as_samples, rotated


def cka(a: Any, b: Any, debiased: bool = True) -> float:
    r"""Return the linear centred kernel alignment of two representations.

    $$\mathrm{CKA} = \frac{\mathrm{HSIC}(K, L)}{\sqrt{\mathrm{HSIC}(K, K)\,\mathrm{HSIC}(L, L)}},\quad
    K = A A^\top,\ L = B B^\top$$

    The value is 1 for representations that differ by a rotation, a scale and a shift. With `debiased=True` every HSIC
    is the unbiased estimate HSIC_1: the value is about 0 for independent representations, for any number of samples,
    and can be slightly below 0 or above 1.

    Args:
        a: Activations of shape (N, ...), where all positions of a sample are units.
        b: Activations of the same samples in the same order, shape (N, ...).
        debiased: Use HSIC_1, which needs four samples. Otherwise use the biased HSIC, whose CKA approaches 1 if there
            are fewer samples than units.

    Returns:
        The alignment; 0 if one of them is constant.

    Raises:
        TypeError: if `debiased` is not a bool.
        ValueError: if the activations are not finite numbers, or the numbers of samples differ.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.similarity import cka
        >>> a = np.random.default_rng(0).normal(size=(50, 4))
        >>> rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
        >>> round(cka(a, 2 * a @ rotation + 1), 6)
        1.0

    Reference:
        Kornblith, Norouzi, Lee and Hinton (2019), "Similarity of neural network representations revisited".
        Song, Smola, Gretton, Bedo and Borgwardt (2012), "Feature selection via dependence maximization".
        Nguyen, Raghu and Kornblith (2021), "Do wide and deep networks learn the same things?".
    """
    check_bool(debiased, "debiased")
    return _moments(a, b).cka(debiased)


def cca(a: Any, b: Any) -> float:
    """Return the mean canonical correlation of two representations.

    The canonical correlations are those of the most correlated pairs of directions of the two representations; there
    are as many as the smaller of the two ranks. The mean is 1 if the representations differ by a nonsingular linear map
    and a shift. It is meaningful only with many more samples than units: with fewer samples than the sum of the ranks,
    some correlations are 1 for any activations.

    Args:
        a: Activations of shape (N, ...), where all positions of a sample are units.
        b: Activations of the same samples in the same order, shape (N, ...).

    Returns:
        The mean, between 0 and 1; 0 if one of them is constant.

    Raises:
        ValueError: if the activations are not finite numbers, or the numbers of samples differ.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.similarity import cca
        >>> rng = np.random.default_rng(0)
        >>> a = rng.normal(size=(50, 4))
        >>> round(cca(a, a @ rng.normal(size=(4, 4)) + 1), 6)
        1.0

    Reference:
        Hotelling (1936), "Relations between two sets of variates".
    """
    first, second = (_basis(z, raw) for z, raw in zip(as_samples(a, b), (a, b), strict=True))
    rank = min(first.shape[1], second.shape[1])
    if not rank:
        return 0.0
    correlations = np.linalg.svd(first.T @ second, compute_uv=False)
    return float(np.minimum(correlations, 1).sum() / rank)


def procrustes(a: Any, b: Any) -> float:
    r"""Return the angular Procrustes distance of two representations.

    $$\arccos \frac{\lVert A^\top B \rVert_*}{\lVert A \rVert_F \lVert B \rVert_F}$$

    This is the angle between the centred activations after the optimal rotation. It is a metric with values from 0, for
    representations that differ by a rotation, a scale and a shift, to pi / 2. It equals the distance of
    `netrep.metrics.LinearMetric(alpha=1.0)`.

    Args:
        a: Activations of shape (N, ...), where all positions of a sample are units.
        b: Activations of the same samples in the same order, shape (N, ...).

    Returns:
        The distance in radians; pi / 2 if one of them is constant.

    Raises:
        ValueError: if the activations are not finite numbers, or the numbers of samples differ.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.similarity import procrustes
        >>> a = np.random.default_rng(0).normal(size=(50, 4))
        >>> round(procrustes(a, 3 * a[:, ::-1]), 4)
        0.0

    Reference:
        Williams, Kunz, Kornblith and Linderman (2021), "Generalized shape metrics on neural representations".
    """
    return _moments(a, b).procrustes()


def _moments(a: Any, b: Any) -> CrossMoments:
    moments = CrossMoments()
    first, second = as_samples(a, b)
    moments.update(rotated(first), rotated(second))
    return moments


def _basis(z: Array, raw: Any) -> Array:
    """Return an orthonormal basis of the centred columns, without directions that are rounding errors."""
    if not len(z):
        return np.zeros((0, 0))
    epsilon = np.finfo(np.float64 if has_digits_of_float64(to_numpy(raw)) else np.float32).eps
    u, s, _ = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    return np.asarray(u[:, s > 16 * epsilon * np.linalg.norm(z)])
