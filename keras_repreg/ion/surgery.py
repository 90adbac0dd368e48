"""Theorems 1 and 2: a transformation of a layer's representation that the next layer undoes.

z~ = Q (z - m), for any nonsingular Q and any m behind a linear layer, and for a permuted positive diagonal Q and m = 0
behind ReLU, with the weights (the paper's W is Keras's kernel)

    W_l^T~ = Q W_l^T               b_l~ = Q (b_l - m)
    W_{l+1}^T~ = W_{l+1}^T Q^-1    b_{l+1}~ = b_{l+1} + W_{l+1}^T m

Everything is checked, computed in float64, and tried on the layers' weights before the first one is written.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg.arrays import to_float64
from keras_repreg.characteristics.capture import as_tensors, peek
from keras_repreg.ion.site import Site, find_site

Array = NDArray[np.float64]

# The largest change of an output, relative to its size, that still counts as identical.
LARGEST_DIFFERENCE = 0.01
PROBES = 256
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Rewrite:
    """What was done to two layers.

    Attributes:
        layer: Name of the layer whose representation was transformed.
        consumer: Name of the layer that undoes it.
        q: Q, shape (M, M).
        m: m, shape (M,).
        condition_number: Of Q, in the 2-norm.
        output_difference: Largest change of what the consumer's kernel computes, relative to its largest magnitude,
            for standard normal inputs of the layer: rounding to the dtype of the weights.
    """

    layer: str
    consumer: str
    q: Array
    m: Array
    condition_number: float
    output_difference: float


_rewrites: "weakref.WeakKeyDictionary[keras.Model, list[Rewrite]]" = weakref.WeakKeyDictionary()


def rewrites(model: keras.Model) -> list[Rewrite]:
    """What this module did to a model, in order."""
    return list(_rewrites.get(model, []))


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


def rewrite(
    model: keras.Model,
    site: Site,
    q: Array,
    shift: Array,
    *,
    silent: NDArray[np.bool_] | None = None,
    probe: Any = None,
    copy: bool = False,
) -> keras.Model:
    """Write the weights of the theorem, after a trial of their rounding.

    Args:
        model: The model.
        site: The layer and its consumer.
        q: Q, of the right shape.
        shift: m, of the right shape.
        silent: New units to set to zero, which then must not vary on the data.
        probe: Inputs of the model, on which its outputs are compared before and after.
        copy: As in `transform`.
    """
    if copy:
        model = copied(model)
        site = find_site(model, site.layer.name)
    condition = float(np.linalg.cond(q))
    if not condition < 1 / float(np.finfo(np.float32).eps):
        raise ValueError(f"Expected a nonsingular `q`. Received: a matrix of condition number {condition:.3g}")
    units = len(q)
    kernel, bias = _weights(site.layer)
    next_kernel, next_bias = _weights(site.consumer)
    # The axis of the units last but one; before it all that is spatial.
    taps = next_kernel.reshape((-1, site.positions, units, next_kernel.shape[-1]))
    # Rounded to their own dtype here, so that what is tried below is what will be written.
    new_kernel = _rounded(site.layer.kernel, kernel @ q.T)
    new_bias = _rounded(site.layer.kernel, np.asarray(q @ (bias - shift)))
    new_taps = _rounded(site.consumer.kernel, np.asarray(np.linalg.solve(q.T, taps), dtype=np.float64))
    new_next_bias = _rounded(site.consumer.kernel, next_bias + (taps * shift[:, None]).sum(axis=(0, 1, 2)))

    flat, new_flat = (np.moveaxis(k, -2, 0).reshape(units, -1) for k in (taps, new_taps))
    difference = _difference(
        (kernel.reshape(-1, units), bias, flat, np.zeros(flat.shape[1])),
        (new_kernel.reshape(-1, units), new_bias, new_flat, shift @ flat),
    )
    if not difference <= LARGEST_DIFFERENCE:
        raise ValueError(
            f"Expected a `q` whose inverse the weights can hold. Received: condition number {condition:.3g}, with "
            f"which rounding would change the input of '{site.consumer.name}' by a share of {difference:.2g}"
        )
    heard = np.ones(units) if silent is None else 1.0 - silent
    written = [
        (site.layer, new_kernel * heard, new_bias * heard),
        (site.consumer, new_taps.reshape(next_kernel.shape), new_next_bias),
    ]
    for affine, new_weights, _ in written:
        with np.errstate(over="ignore"):
            if not np.isfinite(to_float64(ops.cast(new_weights.astype(np.float32), affine.compute_dtype))).all():
                raise ValueError(
                    f"Expected weights within the range of {affine.compute_dtype}, in which layer '{affine.name}' "
                    f"computes. Received: a `q` with entries up to {np.abs(q).max():.3g}"
                )
    _assign(written, lambda: None if probe is None else outputs_on(model, probe))
    done = Rewrite(site.layer.name, site.consumer.name, q, shift, condition, difference)
    _rewrites.setdefault(model, []).append(done)
    return model


def _assign(written: list[tuple[Any, Array, Array]], output: Callable[[], Array | None]) -> None:
    """Write kernels and biases; if the output is not what it was, they are restored."""
    pairs = [(layer.kernel, kernel) for layer, kernel, _ in written]
    pairs += [(layer.bias, bias) for layer, _, bias in written if layer.use_bias]
    old = [ops.convert_to_numpy(variable) for variable, _ in pairs]
    expected = output()
    try:
        for variable, value in pairs:
            variable.assign(value)
        found = output()
        change = 0.0 if expected is None or found is None else largest_change(expected, found)
        if not change <= LARGEST_DIFFERENCE:
            raise RuntimeError(f"The output changed by a share of {change:.2g}; the weights are as they were.")
    except BaseException:
        for (variable, _), value in zip(pairs, old, strict=True):
            variable.assign(value)
        raise


def outputs_on(model: keras.Model, x: Any) -> Array:
    """All outputs of the model for these inputs, one after the other."""
    outputs = keras.tree.flatten(model(as_tensors(x), training=False))
    return np.concatenate([np.ravel(to_float64(output)) for output in outputs])


def largest_change(expected: Array, found: Array) -> float:
    """The largest absolute difference, relative to the largest expected magnitude; infinite if one is not a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(found - expected).max(initial=0) / max(np.abs(expected).max(initial=0), _TINY)
    return float("inf") if np.isnan(change) else float(change)


def copied(model: keras.Model) -> keras.Model:
    """A model of the same class, configuration and weights, not compiled."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


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
    except (TypeError, ValueError):
        raise ValueError(f"Expected `{name}` to be an array of numbers. Received: {name}={value!r}") from None
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"Expected `{name}` to be finite, of shape {shape}. Received: {name}={value!r}")
    return array


def _weights(layer: Any) -> tuple[Array, Array]:
    kernel = to_float64(layer.kernel)
    return kernel, to_float64(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])


def _rounded(variable: Any, value: Array) -> Array:
    """The value as a variable of that dtype will hold it."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    if dtype == "bfloat16":
        return to_float64(ops.cast(value.astype(np.float32), dtype))
    with np.errstate(over="ignore"):
        return value.astype(dtype).astype(np.float64)


def _difference(before: tuple[Array, ...], after: tuple[Array, ...]) -> float:
    """Largest relative change of what two layers compute from random inputs; NaN or infinite if it overflows."""
    x = np.random.default_rng(0).standard_normal((PROBES, before[0].shape[0]))

    def compose(weights: tuple[Array, ...]) -> Array:
        kernel, bias, next_kernel, next_bias = weights
        return (x @ kernel + bias) @ next_kernel + next_bias

    with np.errstate(invalid="ignore", over="ignore"):
        return largest_change(compose(before), compose(after))
