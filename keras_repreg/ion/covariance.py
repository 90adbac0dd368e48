"""Identical output networks with a covariance of one's choice: white, diagonal, given, or with dead units."""

import numbers
import warnings
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64
from keras_repreg.batches import peek
from keras_repreg.characteristics import accumulate
from keras_repreg.characteristics.moments import Moments
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.probing import SAMPLES
from keras_repreg.ion.site import Site, find_site
from keras_repreg.ion.surgery import rewrite
from keras_repreg.ion.theorems import as_array, check_kind

Array = NDArray[np.float64]

# Directions with less variance than this share of the largest belong to the null space: whitening them would need
# a Q of condition number above 1e4, of which float32 weights keep too few digits.
NULL_SPACE = 1e-8

# Layers whose covariance follows from the kernel if the inputs are uncorrelated with variance 1.
ASSUMED = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


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
    """Make the covariance of a linear layer's output the identity, leaving the model's output as it is.

    Theorem 1 with m = E[z] and Q = C^(-1/2). Where C is singular, as it mostly is (its rank is near the number
    of classes), the result is the identity on the range of C, and directions without variance stay without.
    Rewrites the weights of the layer and of the layer that takes its output.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: What the covariance is measured on: see `keras_repreg.measure`.
        moments: Mean and covariance as measured before, with the weights that the model still has, such as
            `logger.moments["z"]` of a `CharacteristicsLogger`. Without these and without data, a warning says that the
            layer's inputs are assumed to be uncorrelated with mean 0 and variance 1.
        null_space: Directions with less than this share of the largest variance count as without variance.
        tolerance: See `transform`.
        copy: Leave the model as it is and rewrite a copy of it.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: before any weight changes, if Theorem 1 does not apply (see `transform`), or the layer's output
            does not vary.

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
    _check_null_space(null_space)
    mean, covariance, probe = _moments(model, site, data, moments)
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
    """Make the units of a linear layer uncorrelated by a rotation to the principal axes; the output stays.

    The variances of the new units are the eigenvalues of the covariance, the largest first.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: What the covariance is measured on: see `whiten`.
        moments: See `whiten`.
        tolerance: See `transform`.
        copy: Leave the model as it is and rewrite a copy of it.

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
    mean, covariance, probe = _moments(model, site, data, moments)
    directions = np.linalg.eigh(covariance)[1][:, ::-1]
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
    """Give a linear layer's output any covariance of the rank that it has; the model's output stays.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        target: The covariance, shape (M, M), symmetric and positive semi-definite.
        data: What the present covariance is measured on: see `whiten`.
        moments: See `whiten`.
        null_space: Directions with less than this share of the largest variance count as without variance.
        tolerance: See `transform`.
        copy: Leave the model as it is and rewrite a copy of it.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`; ValueError if `target` is not a covariance, or not of the
            rank of the present one.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> model = keras_repreg.ion.with_covariance(model, "z", 0.1 * np.eye(3) + 0.9, x)
        >>> round(keras_repreg.measure(model, x, "z")["z"]["correlation"], 3)
        0.9
    """
    site = _linear_site(model, layer)
    _check_null_space(null_space)
    units = site.units
    target = as_array(target, (units, units), "target")
    if not np.allclose(target, target.T, atol=1e-12 * np.abs(target).max(initial=0)):
        raise ValueError(f"Expected `target` to be symmetric. Received: target={target!r}")
    wanted, wanted_directions = np.linalg.eigh(target)
    if wanted[0] < -1e-9 * max(wanted[-1], 0) or wanted[-1] <= 0:
        raise ValueError(f"Expected `target` to be positive semi-definite. Received: eigenvalues {wanted}")
    mean, covariance, probe = _moments(model, site, data, moments)
    present, directions = _eigenvalues(covariance)
    ranks = [int((values > null_space * values[-1]).sum()) for values in (present, wanted)]
    if ranks[0] != ranks[1]:
        raise ValueError(f"Expected a `target` of rank {ranks[0]}, that of the covariance. Received: rank {ranks[1]}")
    # Both in ascending order, so that null spaces and ranges meet.
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
    """Gather the directions in which a linear layer's output does not vary into units that are zero: dead units.

    As many units as the covariance lacks in rank, M - r, become zero for every sample (section 3.1, and the bound of
    eq. 6 is met); the others are uncorrelated. The output stays as it is on the data, and on all inputs whose
    representations lie in the span of the data's.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer without activation, or its name.
        data: What the covariance is measured on: see `keras_repreg.measure`.
        null_space: Directions with less than this share of the largest variance count as without variance.
        tolerance: See `transform`.
        copy: Leave the model as it is and rewrite a copy of it.

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
    _check_null_space(null_space)
    mean, covariance, probe = _moments(model, site, data, None)
    variances, directions = _eigenvalues(covariance)
    dead = (variances <= null_space * variances[-1])[::-1]
    if not dead.any():
        raise ValueError(
            f"Expected a covariance of less than full rank, {len(dead)}, for there to be units to spare. "
            f"Received: smallest and largest variance {variances[0]:.3g} and {variances[-1]:.3g}"
        )
    q = directions[:, ::-1].T
    # What is left in the null space is rounding noise around its mean: it is set to the mean, which m makes zero.
    return rewrite(model, site, q, mean, dead=dead, random=False, probe=probe, tolerance=tolerance, copy=copy)


def whitening_matrix(covariance: Array, null_space: float = NULL_SPACE) -> Array:
    """The symmetric Q with Q C Q the identity on the range of C, and nonsingular.

    Args:
        covariance: C, shape (M, M), symmetric and positive semi-definite.
        null_space: Directions with less than this share of the largest variance count as the null space.

    Raises:
        ValueError: if C is zero, not square or not finite, or `null_space` not between 0 and 1.
    """
    _check_null_space(null_space)
    covariance = to_float64(covariance)
    units = len(covariance) if covariance.ndim else 1
    variances, directions = _eigenvalues(as_array(covariance, (units, units), "covariance"))
    # The null space is scaled like the direction of most variance: what noise is there, is not amplified.
    kept = np.where(variances > null_space * variances[-1], variances, variances[-1])
    return (directions / np.sqrt(kept)) @ directions.T


def _eigenvalues(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues in ascending order, and the directions that belong to them, in columns."""
    variances, directions = np.linalg.eigh(covariance)
    if not variances[-1] > np.finfo(np.float64).tiny:
        raise ValueError(f"Expected a layer whose output varies. Received: a largest variance of {variances[-1]}")
    return variances, directions


def _linear_site(model: keras.Model, layer: Any, kind: Kind = Kind.LINEAR) -> Site:
    site = find_site(model, layer)
    if site.nonlinear:
        raise ValueError(
            f"Expected a linear layer, whose covariance can be changed at will (Theorem 1). Received: {site.nonlinear}"
        )
    check_kind(site, kind, f"layer '{site.layer.name}', whose mean the layers that take it must take up")
    return site


def _check_null_space(null_space: float) -> None:
    if not isinstance(null_space, numbers.Real) or not 0 < null_space < 1:
        raise ValueError(f"Expected `null_space` to be between 0 and 1. Received: null_space={null_space!r}")


def _moments(model: keras.Model, site: Site, data: Any, moments: Moments | None) -> tuple[Array, Array, Any]:
    """Mean and covariance of the layer's output, and the first inputs of the data, if there is data."""
    layer = site.layer
    if moments is not None:
        if not isinstance(moments, Moments):
            raise TypeError(f"Expected `moments` to be a `Moments`, as loggers have them. Received: {moments!r}")
        if moments.mean.shape != (site.units,):
            raise ValueError(f"Expected moments of {site.units} units. Received: a mean of shape {moments.mean.shape}")
        probe = None if data is None else peek(data, SAMPLES)[0]
        return moments.mean, moments.covariance, probe
    if data is not None:
        probe, data = peek(data, SAMPLES)
        measured = accumulate(model, data, layer)[layer.name]
        if not measured.finite:
            raise ValueError(f"Expected finite activations. Received: NaN or infinite values of layer '{layer.name}'")
        return measured.moments.mean, measured.moments.covariance, probe
    if not hasattr(layer, "kernel") or type(layer) not in ASSUMED:
        raise ValueError(
            f"Expected `data` or `moments` for layer '{layer.name}' of type {type(layer).__name__}. Received: none"
        )
    warnings.warn(
        f"No data for layer '{layer.name}', so its inputs are assumed to be uncorrelated with mean 0 and variance 1; "
        "pass `data` or `moments` for a covariance that is measured.",
        stacklevel=3,
    )
    kernel = to_float64(layer.kernel)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    bias = to_float64(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    return bias, kernel.T @ kernel, None
