"""The weights of two layers rewritten, so that one is transformed and the other undoes it.

With the weights (the paper's W is Keras's kernel)

    W_l^T~ = Q W_l^T               b_l~ = Q (b_l - m)
    W_{l+1}^T~ = W_{l+1}^T Q^-1    b_{l+1}~ = b_{l+1} + W_{l+1}^T m

all is computed in float64 and tried on the layers' weights before the first one is written. Whether Q and m are ones
that a theorem allows is not asked here: see `keras_repreg.ion.theorems`.
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
from keras_repreg.batches import as_tensors
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
