"""Theorems 1 and 2: a transformation of a layer's representation that the next layer undoes.

z~ = Q (z - m), for any nonsingular Q and any m after a linear layer, and for a permuted positive diagonal Q and m = 0
after ReLU. This module checks the theorems' conditions; `keras_repreg.ion.surgery` computes and writes weights.
"""

from typing import Any

import keras
import numpy as np

from keras_repreg.batches import peek
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Array, Kind, UnitMap
from keras_repreg.ion.probing import SAMPLES
from keras_repreg.ion.site import Site
from keras_repreg.ion.surgery import rewrite


def transform(
    model: keras.Model,
    layer: Any,
    q: Any,
    m: Any = None,
    *,
    data: Any = None,
    tolerance: float | None = None,
    copy: bool = False,
) -> keras.Model:
    """Replace the representation z of a layer by Q (z - m) without changing the model's output.

    Theorem 1 (eq. 1 and 2) applies to a linear layer. Theorem 2 (eq. 3 and 4) applies to a layer with ReLU or leaky
    ReLU, where Q is a permuted positive diagonal matrix and m = 0. Other activation functions allow permutations. The
    function rewrites the weights of the layer, of the layers that its units pass through, and of those that take them;
    other models that share these layers change as well. `keras_repreg.ion.survey` lists the possible maps of each
    layer, and `keras_repreg.ion.rewrites(model)` the rewrites made so far.

    The weights are computed in float64 and rounded once. The model is then run in its compute dtypes on random inputs,
    and on `data` if given. If its outputs, or those of the layers that undo the transformation, change by more than
    `tolerance`, the weights are restored. Optimizer state, such as momentum, still belongs to the old weights: compile
    the model again before further training.

    Args:
        model: A built Sequential or functional model.
        layer: A layer with a kernel, such as a Dense or convolutional layer, or its name.
        q: Q, a nonsingular matrix of shape (M, M) for the layer's M units.
        m: m, shape (M,); 0 by default.
        data: Inputs whose first batch is also used to compare outputs: see `keras_repreg.measure`.
        tolerance: The largest change of an output, relative to its largest magnitude, that counts as rounding. The
            default allows for two products in the least precise compute dtype of the layers: 2^-5 in bfloat16, 2^-8 in
            float16, 2^-15 in float32, 2^-40 in float64.
        copy: Rewrite a copy of the model, compiled like the model, instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` is neither a layer nor a name.
        ValueError: before any weight changes, if neither theorem applies (see `find_site`), Q or m has the wrong shape
            or is not finite, Q is singular to the precision of the weights or more general than the next layers allow,
            or m is not 0 and cannot be added to a bias, because there is none or because of zero padding.
        RuntimeError: if outputs changed by more than `tolerance`; the weights are restored.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="z"), keras.layers.Dense(3)])
        >>> x = np.ones((1, 4))
        >>> before = model.predict(x, verbose=0)
        >>> model = keras_repreg.ion.transform(model, "z", [[0.0, 2.0], [1.0, 0.0]], m=[1.0, -1.0])
        >>> np.allclose(before, model.predict(x, verbose=0), atol=1e-5)
        True

    Reference:
        Theorems 1 and 2 and their proofs (Appendix A) in Choi, Lee, Shin and Rhee (2018), "On the statistical and
        information-theoretic characteristics of deep network representations".
    """
    site = find_site(model, layer)
    return transform_at(model, site, q, m, data=data, tolerance=tolerance, copy=copy)


def transform_at(
    model: keras.Model, site: Site, q: Any, m: Any = None, *, data: Any, tolerance: float | None, copy: bool
) -> keras.Model:
    """Transform the representation at a known site: see `transform`."""
    q, shift = as_affine_map(site, q, m)
    check_kind(site, UnitMap(q, shift).kind, f"q={q!r}, m={m!r}")
    probe = None if data is None else peek(data, SAMPLES)[0]
    return rewrite(model, site, q, shift, probe=probe, tolerance=tolerance, copy=copy, stacklevel=3)


def as_affine_map(site: Site, q: Any, m: Any) -> tuple[Array, Array]:
    """Return Q and m as arrays of the correct shapes, with m = 0 for None.

    Raises:
        ValueError: if their shapes do not match the layer or they are not finite.
    """
    q = as_array(q, (site.units, site.units), "q")
    return q, np.zeros(site.units) if m is None else as_array(m, (site.units,), "m")


def check_kind(site: Site, kind: Kind, received: str) -> None:
    """Check that the site allows maps of a kind.

    Raises:
        ValueError: if it does not, with the reason.
    """
    if kind <= site.allows:
        return
    theorem = "a permuted positive diagonal `q` and no `m`, as in Theorem 2" if site.allows < Kind.LINEAR else "no `m`"
    raise ValueError(
        f"Expected {theorem}, because only {site.allows} after layer '{site.layer.name}' keep the output: "
        f"{site.reason(kind)}. Received: {received}"
    )


def as_array(value: Any, shape: tuple[int, ...], name: str) -> Array:
    """Return a value as a finite real float64 array of this shape.

    Raises:
        ValueError: if it is not one.
    """
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Expected `{name}` to be an array of numbers. Received: {name}={value!r}") from None
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"Expected `{name}` to be finite, of shape {shape}. Received: {name}={value!r}")
    return array
