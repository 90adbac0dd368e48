"""How similar two representations of the same samples are: CKA, CCA and Procrustes."""

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

    1 for representations that differ by a rotation, a scale and a shift, and debiased about 0 for independent ones,
    whatever the number of samples. Debiased, every HSIC is the unbiased estimate HSIC_1; the ratio can then be
    slightly below 0 or above 1.

    Args:
        a: Activations of shape (N, ...), all positions of a sample being its units.
        b: Activations of the same samples in the same order, shape (N, ...).
        debiased: Use HSIC_1, which needs four samples; otherwise the biased HSIC, with which CKA approaches 1 as the
            samples become fewer than the units.

    Returns:
        The alignment; 0 if one of them does not vary.

    Raises:
        TypeError: if `debiased` is no bool.
        ValueError: if the activations are not finite numbers, or not of as many samples.

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

    The mean over the smaller of their ranks of the correlations between the directions of the one and of the other
    that agree most. 1 if they differ by a nonsingular linear map and a shift. It says something only with many more
    samples than units: with fewer than both ranks together some correlations are 1 whatever the activations are.

    Args:
        a: Activations of shape (N, ...), all positions of a sample being its units.
        b: Activations of the same samples in the same order, shape (N, ...).

    Returns:
        The mean, between 0 and 1; 0 if one of them does not vary.

    Raises:
        ValueError: if the activations are not finite numbers, or not of as many samples.

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

    of the centred activations: the angle between them after the rotation that brings them closest. A metric; 0 for
    representations that differ by a rotation, a scale and a shift, and at most pi / 2. It is the distance of
    `netrep.metrics.LinearMetric(alpha=1.0)`.

    Args:
        a: Activations of shape (N, ...), all positions of a sample being its units.
        b: Activations of the same samples in the same order, shape (N, ...).

    Returns:
        The distance in radians; pi / 2 if one of them does not vary.

    Raises:
        ValueError: if the activations are not finite numbers, or not of as many samples.

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
    """An orthonormal basis of the centred columns, of the directions that are no rounding errors."""
    if not len(z):
        return np.zeros((0, 0))
    epsilon = np.finfo(np.float64 if has_digits_of_float64(to_numpy(raw)) else np.float32).eps
    u, s, _ = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    return np.asarray(u[:, s > 16 * epsilon * np.linalg.norm(z)])
