"""Theorems 1 and 2: a transformation of a layer's representation that the next layer undoes.

z~ = Q (z - m), for any nonsingular Q and any m behind a linear layer, and for a permuted positive diagonal Q and m = 0
behind ReLU. What is checked here is what the theorems ask for; `keras_repreg.ion.surgery` computes and writes weights.
"""

from typing import Any

import keras
import numpy as np

from keras_repreg.batches import peek
from keras_repreg.ion.site import Site, find_site
from keras_repreg.ion.surgery import PROBES, Array, rewrite


def transform(
    model: keras.Model, layer: Any, q: Any, m: Any = None, *, data: Any = None, copy: bool = False
) -> keras.Model:
    """Replace the representation z of a layer by Q (z - m), leaving the model's output as it is.

    Theorem 1 (eq. 1 and 2) for a linear layer; Theorem 2 (eq. 3 and 4) for a layer with ReLU, where Q is a permuted
    positive diagonal matrix and m = 0. Rewrites the weights of the layer and of the layer that takes its output.
    Dropout, noise and regularizers between them are looked through: they do nothing at inference. So are average
    pooling and Flatten, and behind them convolutions: there the units are the channels.
    What was done is in `keras_repreg.ion.rewrites(model)`.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer, or its name.
        q: Q, a nonsingular matrix of shape (M, M) for the layer's M units.
        m: m, shape (M,); by default 0.
        data: Compare the model's outputs before and after on the first batch of this, too: see
            `keras_repreg.measure`.
        copy: Leave the model as it is and rewrite a copy of it.

    Returns:
        The model, or the copy.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        ValueError: before any weight changes, if neither theorem applies (see `find_site`), Q or m have the wrong
            shape or are not finite, Q is singular to the precision of the weights, is not a permuted positive diagonal
            behind ReLU, or m is not 0 and cannot be taken up: without a bias, or before zero padding.
        RuntimeError: if the outputs on `data` changed after all; the weights are restored.

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
    return transform_at(model, find_site(model, layer), q, m, data=data, copy=copy)


def transform_at(model: keras.Model, site: Site, q: Any, m: Any = None, *, data: Any, copy: bool) -> keras.Model:
    """`transform`, where the two layers have been found already."""
    q, shift = as_affine_map(site, q, m)
    if site.nonlinear and not (is_permuted_positive_diagonal(q) and not shift.any()):
        raise ValueError(
            f"Expected a permuted positive diagonal `q` and no `m`, as Theorem 2 has it for {site.nonlinear}. "
            f"Received: q={q!r}, m={m!r}"
        )
    if shift.any():
        check_shift(site)
    probe = None if data is None else peek(data, PROBES)[0]
    return rewrite(model, site, q, shift, probe=probe, copy=copy)


def as_affine_map(site: Site, q: Any, m: Any) -> tuple[Array, Array]:
    """Q and m as arrays that fit the layer, m = 0 for None.

    Raises:
        ValueError: if they do not fit or are not finite.
    """
    units = site.layer.kernel.shape[-1]
    q = as_array(q, (units, units), "q")
    return q, np.zeros(units) if m is None else as_array(m, (units,), "m")


def check_shift(site: Site) -> None:
    """That the two layers can take up a shift m.

    Raises:
        ValueError: if one has no bias, or the consumer adds zeros around its input, which the shift would not reach.
    """
    for affine in (site.layer, site.consumer):
        if not affine.use_bias:
            raise ValueError(
                "Expected both layers to have a bias, which takes up m != 0. Received: layer "
                f"'{affine.name}' with use_bias=False"
            )
    if getattr(site.consumer, "padding", "valid") != "valid":
        raise ValueError(
            "Expected a convolution without padding, whose zeros m != 0 would have to reach. "
            f"Received: layer '{site.consumer.name}' with padding='{site.consumer.padding}'"
        )


def is_permuted_positive_diagonal(q: Array) -> bool:
    """Whether each row and each column has exactly one entry that is not zero, a positive one (Theorem 2)."""
    entries = q != 0
    return bool((entries.sum(axis=0) == 1).all() and (entries.sum(axis=1) == 1).all() and (q >= 0).all())


def as_array(value: Any, shape: tuple[int, ...], name: str) -> Array:
    """A finite real float64 array of this shape.

    Raises:
        ValueError: if it is none.
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
