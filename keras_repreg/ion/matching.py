"""Match the units of two networks by linear assignment on weights or activations."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64
from keras_repreg.batches import as_tensors, batches
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Array, Kind
from keras_repreg.ion.parameters import FORWARD, INVERSE
from keras_repreg.ion.rules import row_of
from keras_repreg.ion.site import Site
from keras_repreg.rows import as_matrix


@dataclass(frozen=True)
class Matching:
    """A matching of the units of one layer to those of another.

    Attributes:
        order: The argument of `permute`: the index, in the first layer, of each unit of the other layer.
        factors: The argument of `rescale`, after the permutation: positive, and 1 if only permutations keep the output.
        similarity: The similarity of each pair of units, at most 1.
    """

    order: NDArray[np.int64]
    factors: Array
    similarity: Array


def match(model: keras.Model, layer: Any, other: keras.Model, other_layer: Any = None, *, data: Any = None) -> Matching:
    """Find the permutation, and after ReLU the factors, that match a layer to that of another network.

    The total similarity of paired units is maximized by linear assignment. Units are compared by their incoming and
    outgoing weights, as in Git Re-Basin; this assumes that the layers before and after match those of the other network
    up to small changes. With `data`, units are compared by their activations. If factors keep the output (ReLU, leaky
    ReLU, linear layers), the similarity is the cosine. Otherwise it is one minus the squared distance, relative to the
    mean squared norm of the units. Requires SciPy.

    Args:
        model: A built Sequential or functional model.
        layer: A layer with a kernel, or its name.
        other: Another model.
        other_layer: The layer of the other model, or its name; by default the layer of the same name.
        data: Inputs of both models for comparing activations: see `keras_repreg.measure`.

    Returns:
        A `Matching` with the arguments of `permute`, and then of `rescale`.

    Raises:
        ImportError: if SciPy is not installed.
        TypeError: if a model is not a Keras model or a layer is neither a layer nor a name.
        ValueError: if a layer's units cannot be followed (see `survey`), or the layers differ in width or kind.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> other = keras_repreg.ion.permute(model, "z", [2, 0, 1], copy=True)
        >>> keras_repreg.ion.match(model, "z", other).order.tolist()
        [2, 0, 1]

    Reference:
        Ainsworth, Hayase and Srinivasa (2023), "Git Re-Basin: merging models modulo permutation symmetries".
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError(
            "Expected SciPy for `ion.match`: install it with `pip install 'keras-repreg[ion]'`. Received: no SciPy"
        ) from error
    if not isinstance(other, keras.Model):
        raise TypeError(f"Expected `other` to be a `keras.Model`. Received: {other!r}")
    first = find_site(model, layer)
    name = first.layer.name if other_layer is None else other_layer
    second = find_site(other, name)
    if first.units != second.units:
        raise ValueError(f"Expected layers of the same width. Received: {first.units} and {second.units} units")
    scaled = min(first.allows, second.allows) >= Kind.SCALING
    if data is None:
        groups = list(zip(_weights(first), _weights(second), strict=True))
        if any(a.shape != b.shape for a, b in groups):
            raise ValueError(
                "Expected layers with weights of the same shapes; pass `data` to compare activations instead. "
                f"Received: {[(a.shape, b.shape) for a, b in groups]}"
            )
        products = [(a @ b.T, (a**2).sum(axis=1), (b**2).sum(axis=1)) for a, b in groups]
    else:
        products = [_activation_products(model, first.layer, other, second.layer, data)]
    similarity = np.mean([_similarity(*each, scaled=scaled) for each in products], axis=0)
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    order = np.empty(first.units, np.int64)
    order[columns] = rows
    units = np.arange(first.units)
    factors = np.ones(first.units)
    if scaled:
        cross, square, _ = products[0]
        present, wanted = square[order], cross[order, units]
        # Least squares.
        np.divide(wanted, present, out=factors, where=(present > 0) & (wanted > 0))
    return Matching(order, factors, similarity[order, units])


def _weights(site: Site) -> list[Array]:
    """Return the incoming and the outgoing weights, with one row per unit each."""
    computed, taken = [], []
    for use in (*site.producers, *site.passing):
        row = row_of(use.operation)
        for parameter in (*row.gives, *row.moves):
            if parameter.how == FORWARD:
                computed.append(_rows(use, parameter))
    for use in site.consumers:
        for parameter in row_of(use.operation).takes:
            if parameter.how == INVERSE:
                taken.append(_rows(use, parameter))
    return [np.concatenate([rows for rows in each if rows is not None], axis=1) for each in (computed, taken)]


def _rows(use: Any, parameter: Any) -> Array | None:
    variable = parameter.of(use.operation)
    if variable is None:
        return None
    index = parameter.index(use.operation, use.index)
    block = np.moveaxis(to_float64(variable), parameter.axis, 0)[index]  # (repetitions, units, ...)
    return np.moveaxis(block, 1, 0).reshape(index.shape[1], -1)


def _activation_products(
    model: keras.Model, layer: Any, other: keras.Model, other_layer: Any, data: Any
) -> tuple[Array, Array, Array]:
    """Return z^T z' and the squared norms of the units over all samples and positions."""
    observers = [keras.Model(each.inputs, one.output) for each, one in ((model, layer), (other, other_layer))]
    units = layer.output.shape[-1]
    cross, square, other_square = np.zeros((units, units)), np.zeros(units), np.zeros(units)
    for x, _ in batches(data, 256):
        flat = keras.tree.flatten(as_tensors(x))
        z, w = (as_matrix(observer(flat if len(flat) > 1 else flat[0], training=False)) for observer in observers)
        if len(z) != len(w):
            raise ValueError(f"Expected activations at the same positions. Received: {len(z)} and {len(w)} rows")
        cross += z.T @ w
        square += (z**2).sum(axis=0)
        other_square += (w**2).sum(axis=0)
    return cross, square, other_square


def _similarity(cross: Array, square: Array, other_square: Array, *, scaled: bool) -> Array:
    """Return the similarity of each unit with each unit of the other layer."""
    if scaled:
        norms = np.sqrt(np.outer(square, other_square))
        return np.divide(cross, norms, out=np.zeros_like(cross), where=norms > 0)
    distance = square[:, None] + other_square[None] - 2 * cross
    size = (square.mean() + other_square.mean()) / 2
    return 1 - distance / size if size > 0 else np.ones_like(cross)
