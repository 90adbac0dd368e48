"""Identical output networks from matrices that need no data: permutation, scaling, random rotation."""

from typing import Any

import keras
import numpy as np

from keras_repreg.arrays import to_numpy
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.theorems import as_array, transform_at


def permute(
    model: keras.Model, layer: Any, order: Any, *, data: Any = None, tolerance: float | None = None, copy: bool = False
) -> keras.Model:
    """Permute the units of a layer without changing the model's output (Theorem 2).

    Permutations commute with every elementwise function, so they are possible after any activation function, and
    through normalization, pooling, padding and depthwise convolutions.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer, or its name.
        order: The current index of each unit in the new order: a permutation of 0 to M - 1.
        data: See `transform`.
        tolerance: See `transform`.
        copy: See `transform`.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`; ValueError if `order` is not a permutation.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> model = keras_repreg.ion.permute(model, "z", [2, 0, 1])
    """
    site = find_site(model, layer)
    units = site.units
    numbers = np.ravel(to_numpy(order))
    if not np.issubdtype(numbers.dtype, np.integer) or sorted(numbers.tolist()) != list(range(units)):
        raise ValueError(f"Expected `order` to be a permutation of 0 to {units - 1}. Received: order={order!r}")
    q = np.eye(units)[numbers]
    return transform_at(model, site, q, data=data, tolerance=tolerance, copy=copy)


def rescale(
    model: keras.Model,
    layer: Any,
    factors: Any,
    *,
    data: Any = None,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Multiply each unit of a layer by a factor without changing the model's output.

    This changes amplitude and covariance, but not correlation. After ReLU and leaky ReLU the factors must be positive
    (Theorem 2).

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer, or its name.
        factors: A number, or one per unit, of shape (M,).
        data: See `transform`.
        tolerance: See `transform`.
        copy: See `transform`.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> model = keras_repreg.ion.rescale(model, "z", [1.0, 2.0, 0.5])
    """
    site = find_site(model, layer)
    units = site.units
    diagonal = as_array(factors, () if to_numpy(factors).ndim == 0 else (units,), "factors")
    return transform_at(
        model, site, np.diag(np.broadcast_to(diagonal, units)), data=data, tolerance=tolerance, copy=copy
    )


def orthogonal(
    model: keras.Model, layer: Any, seed: int, *, data: Any = None, tolerance: float | None = None, copy: bool = False
) -> keras.Model:
    """Rotate the representation of a linear layer by a random orthogonal matrix without changing the model's output.

    This keeps all distances between representations, and so their rank and spectrum, but changes single units.

    Args:
        model: A built Sequential or functional model.
        layer: A linear Dense or convolutional layer, or its name.
        seed: The seed of the matrix, which is uniformly distributed over the orthogonal matrices.
        data: See `transform`.
        tolerance: See `transform`.
        copy: See `transform`.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError, RuntimeError: see `transform`.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="z"), keras.layers.Dense(2)])
        >>> model = keras_repreg.ion.orthogonal(model, "z", seed=0)
    """
    site = find_site(model, layer)
    units = site.units
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"Expected `seed` to be an integer >= 0. Received: seed={seed!r}")
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((units, units)))
    # Correcting by the signs of R's diagonal makes Q uniformly distributed.
    return transform_at(model, site, q * np.sign(np.diag(r)), data=data, tolerance=tolerance, copy=copy)
