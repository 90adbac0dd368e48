"""Identical output networks with a chosen covariance: identity, diagonal, given, or with dead units."""

from typing import Any

import keras
import numpy as np

from keras_repreg.characteristics.moments import Moments
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.moments import moments_of
from keras_repreg.ion.site import Site
from keras_repreg.ion.spectrum import (
    NULL_SPACE,
    check_null_space,
    eigenvalues,
    in_range,
    principal_axes,
    whitening_matrix,
)
from keras_repreg.ion.surgery import rewrite
from keras_repreg.ion.theorems import as_array, check_kind


def whiten(
    model: keras.Model,
    layer: Any,
    data: Any = None,
    *,
    moments: Moments | None = None,
    null_space: float = NULL_SPACE,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Whiten a linear layer's output without changing the model's output.

    The weights of the layer and of the layers that take its output are rewritten by Theorem 1 with m = E[z] and Q =
    C^(-1/2). If C is singular, as is usual (its rank is close to the number of classes), the new covariance is the
    identity on the range of C; directions without variance remain so.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: Inputs on which the covariance is measured: see `keras_repreg.measure`.
        moments: Mean and covariance measured earlier with the current weights, such as `logger.moments["z"]` of a
            `CharacteristicsLogger`. Without moments and data, the layer's inputs are assumed to be uncorrelated with
            mean 0 and variance 1, with a warning.
        null_space: Directions with less than this fraction of the largest variance count as having no variance.
        tolerance: See `transform`.
        copy: Rewrite a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: before any weight changes, if Theorem 1 does not apply (see `transform`), or the layer's output is
            constant.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> before = model.predict(x, verbose=0)
        >>> model = keras_repreg.ion.whiten(model, "z", x)
        >>> round(keras_repreg.measure(model, x, "z")["z"]["correlation"], 3)
        0.0
        >>> np.allclose(before, model.predict(x, verbose=0), atol=1e-4)
        True

    Reference:
        Section 3.1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
    """
    site = _linear_site(model, layer, Kind.AFFINE)
    check_null_space(null_space)
    mean, covariance, probe = moments_of(model, site, data, moments)
    return rewrite(
        model, site, whitening_matrix(covariance, null_space), mean, probe=probe, tolerance=tolerance, copy=copy
    )


def decorrelate(
    model: keras.Model,
    layer: Any,
    data: Any = None,
    *,
    moments: Moments | None = None,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Rotate a linear layer's output to its principal axes without changing the model's output.

    The new units are uncorrelated. Their variances are the eigenvalues of the covariance, the largest first.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: Inputs on which the covariance is measured: see `whiten`.
        moments: See `whiten`.
        tolerance: See `transform`.
        copy: Rewrite a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> model = keras_repreg.ion.decorrelate(model, "z", x)
        >>> round(keras_repreg.measure(model, x, "z")["z"]["correlation"], 3)
        0.0
    """
    site = _linear_site(model, layer)
    mean, covariance, probe = moments_of(model, site, data, moments)
    directions = principal_axes(covariance)[1][:, ::-1]
    return rewrite(model, site, directions.T, np.zeros_like(mean), probe=probe, tolerance=tolerance, copy=copy)


def with_covariance(
    model: keras.Model,
    layer: Any,
    target: Any,
    data: Any = None,
    *,
    moments: Moments | None = None,
    null_space: float = NULL_SPACE,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Give a linear layer's output any covariance of the same rank without changing the model's output.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        target: The target covariance, shape (M, M), symmetric and positive semi-definite.
        data: Inputs on which the current covariance is measured: see `whiten`.
        moments: See `whiten`.
        null_space: Directions with less than this fraction of the largest variance count as having no variance.
        tolerance: See `transform`.
        copy: Rewrite a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`; ValueError if `target` is not a covariance, or its rank
            differs from that of the current one.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> model = keras_repreg.ion.with_covariance(model, "z", 0.1 * np.eye(3) + 0.9, x)
        >>> round(keras_repreg.measure(model, x, "z")["z"]["correlation"], 3)
        0.9
    """
    site = _linear_site(model, layer)
    check_null_space(null_space)
    units = site.units
    target = as_array(target, (units, units), "target")
    if not np.allclose(target, target.T, atol=1e-12 * np.abs(target).max(initial=0)):
        raise ValueError(f"Expected `target` to be symmetric. Received: target={target!r}")
    wanted, wanted_directions = np.linalg.eigh(target)
    if wanted[0] < -1e-9 * max(wanted[-1], 0) or wanted[-1] <= 0:
        raise ValueError(f"Expected `target` to be positive semi-definite. Received: eigenvalues {wanted}")
    mean, covariance, probe = moments_of(model, site, data, moments)
    present, directions = eigenvalues(covariance)
    ranks = [int(in_range(values, null_space).sum()) for values in (present, wanted)]
    if ranks[0] != ranks[1]:
        raise ValueError(f"Expected a `target` of rank {ranks[0]}, that of the covariance. Received: rank {ranks[1]}")
    # Both in ascending order, so that null spaces and ranges coincide.
    within = np.arange(units) >= units - ranks[0]
    factors = np.ones(units)
    factors[within] = np.sqrt(wanted[within] / present[within])
    q = (wanted_directions * factors) @ directions.T
    return rewrite(model, site, q, np.zeros_like(mean), probe=probe, tolerance=tolerance, copy=copy)


def align_dead_units(
    model: keras.Model,
    layer: Any,
    data: Any,
    *,
    null_space: float = NULL_SPACE,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Turn the constant directions of a linear layer's output into dead units, which are zero for every sample.

    For a covariance of rank r, M - r units become zero (section 3.1; this attains the bound of eq. 6), and the others
    become uncorrelated. The model's output does not change on the data, and on all inputs whose representations lie in
    the span of those of the data.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: Inputs on which the covariance is measured: see `keras_repreg.measure`.
        null_space: Directions with less than this fraction of the largest variance count as having no variance.
        tolerance: See `transform`.
        copy: Rewrite a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`; ValueError if the covariance has full rank.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((2,)), keras.layers.Dense(8, name="z"), keras.layers.Dense(3)
        ... ])
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> model = keras_repreg.ion.align_dead_units(model, "z", x)
        >>> keras_repreg.measure(model, x, "z")["z"]["dead_units"]
        0.75
    """
    site = _linear_site(model, layer, Kind.AFFINE)
    check_null_space(null_space)
    mean, covariance, probe = moments_of(model, site, data, None)
    variances, directions = eigenvalues(covariance)
    dead = ~in_range(variances, null_space)[::-1]
    if not dead.any():
        raise ValueError(
            f"Expected a covariance of rank less than {len(dead)}, so that some units can be dead. Received: smallest "
            f"and largest variance {variances[0]:.3g} and {variances[-1]:.3g}"
        )
    q = directions[:, ::-1].T
    # Values in the null space are rounding noise around their mean. They are set to the mean, which m maps to zero.
    return rewrite(model, site, q, mean, dead=dead, random=False, probe=probe, tolerance=tolerance, copy=copy)


def _linear_site(model: keras.Model, layer: Any, kind: Kind = Kind.LINEAR) -> Site:
    site = find_site(model, layer)
    if site.nonlinear:
        raise ValueError(
            "Expected a linear layer, because after a nonlinear function units can at most be permuted and rescaled; "
            f"`keras_repreg.ion.insert_linear` adds a linear layer. Received: {site.nonlinear}"
        )
    check_kind(site, kind, f"layer '{site.layer.name}', whose mean the next layers must add to their biases")
    return site
