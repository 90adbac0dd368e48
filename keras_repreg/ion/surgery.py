"""Theorem 1: an affine transformation of a linear layer that the next layer undoes.

z~ = Q (z - m) for any nonsingular Q and any m, with the weights (the paper's W is Keras's kernel)

    W_l^T~ = Q W_l^T          b_l~ = Q (b_l - m)
    W_{l+1}^T~ = W_{l+1}^T Q^-1    b_{l+1}~ = b_{l+1} + W_{l+1}^T m

Everything is checked, computed in float64, and tried on the two layers' weights before the first one is written.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg import graph
from keras_repreg.characteristics.capture import as_tensors, batches

Array = NDArray[np.float64]

# The largest change of the next layer's input, relative to its size, that still counts as identical.
LARGEST_DIFFERENCE = 0.01
_PROBES = 256
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Rewrite:
    """What was done to two adjacent layers.

    Attributes:
        layer: Name of the layer whose representation was transformed.
        consumer: Name of the layer that undoes it.
        q: Q, shape (M, M).
        m: m, shape (M,).
        condition_number: Of Q, in the 2-norm.
        output_difference: Largest change of the consumer's values before its activation, relative to their
            largest magnitude, for standard normal inputs of the layer: rounding to the dtype of the weights.
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


def transform(model: keras.Model, layer: Any, q: Any, m: Any = None, *, data: Any = None) -> keras.Model:
    """Replace the representation z of a linear Dense layer by Q (z - m), leaving the model's output as it is.

    Theorem 1 (eq. 1 and 2). Rewrites the weights of the layer and of the Dense layer that takes its output, in
    place. Dropout, noise and regularizers between the two are looked through: they do nothing at inference.
    What was done is in `keras_repreg.ion.rewrites(model)`.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense layer without activation, or its name.
        q: Q, a nonsingular matrix of shape (M, M) for the layer's M units.
        m: m, shape (M,); by default 0.
        data: Compare the model's outputs before and after on the first batch of this, too: see
            `keras_repreg.measure`.

    Returns:
        The model.

    Raises:
        TypeError: if `model` is not a Keras model or `layer` neither a layer nor a name.
        RuntimeError: if the outputs on `data` changed after all; the weights are restored.
        ValueError: before any weight changes, if the theorem does not apply (see `find_consumer`), Q or m have the
            wrong shape or are not finite, Q is singular to the precision of the weights, or m is not 0 and one of
            the layers has no bias to take it up.

    Example:
    >>> import keras, keras_repreg, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="z"), keras.layers.Dense(3)])
    >>> x = np.ones((1, 4))
    >>> before = model.predict(x, verbose=0)
    >>> model = keras_repreg.ion.transform(model, "z", [[0.0, 2.0], [1.0, 0.0]], m=[1.0, -1.0])
    >>> np.allclose(before, model.predict(x, verbose=0), atol=1e-5)
    True

    Reference:
        Theorem 1 and its proof (Appendix A) in Choi, Lee, Shin and Rhee (2018), "On the statistical and
        information-theoretic characteristics of deep network representations".
    """
    layer = graph.find_layer(model, layer)
    consumer = find_consumer(model, layer)
    units = layer.units
    q = _finite(q, (units, units), "q")
    shift = np.zeros(units) if m is None else _finite(m, (units,), "m")
    for dense in (layer, consumer):
        if shift.any() and not dense.use_bias:
            raise ValueError(
                f"Expected both layers to have a bias, which takes up m != 0. Received: layer '{dense.name}' with "
                "use_bias=False"
            )
    condition = float(np.linalg.cond(q))
    if not condition < 1 / float(np.finfo(np.float32).eps):
        raise ValueError(f"Expected a nonsingular `q`. Received: a matrix of condition number {condition:.3g}")

    kernel, bias = _weights(layer)
    next_kernel, next_bias = _weights(consumer)
    # Rounded to their own dtype here, so that what is tried below is what will be written.
    new = [
        _rounded(layer.kernel, kernel @ q.T),
        _rounded(layer.kernel, q @ (bias - shift)),
        _rounded(consumer.kernel, np.linalg.solve(q.T, next_kernel)),
        _rounded(consumer.kernel, next_bias + next_kernel.T @ shift),
    ]
    difference = _difference((kernel, bias, next_kernel, next_bias), (new[0], new[1], new[2], new[3]))
    if not difference <= LARGEST_DIFFERENCE:
        raise ValueError(
            f"Expected a `q` whose inverse the weights can hold. Received: condition number {condition:.3g}, with "
            f"which rounding would change the input of '{consumer.name}' by a share of {difference:.2g}"
        )
    variables = [layer.kernel, consumer.kernel]
    values = [new[0], new[2]]
    for dense, value in ((layer, new[1]), (consumer, new[3])):
        if dense.use_bias:
            variables.append(dense.bias)
            values.append(value)
    _assign(variables, values, lambda: None if data is None else _first_output(model, data))
    done = Rewrite(layer.name, consumer.name, q, shift, condition, difference)
    _rewrites.setdefault(model, []).append(done)
    return model


def _assign(variables: list[Any], values: list[Array], output: Callable[[], Array | None]) -> None:
    """Write the values; if the output is not what it was, the variables are restored."""
    old = [ops.convert_to_numpy(variable) for variable in variables]
    expected = output()
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    found = output()
    if expected is None or found is None:
        return
    change = float(np.abs(found - expected).max(initial=0) / max(np.abs(expected).max(initial=0), _TINY))
    if not change <= LARGEST_DIFFERENCE:
        for variable, value in zip(variables, old, strict=True):
            variable.assign(value)
        raise RuntimeError(f"The output changed by a share of {change:.2g}; the weights are as they were.")


def _first_output(model: keras.Model, data: Any) -> Array:
    x, _ = next(batches(data, _PROBES))
    outputs = keras.tree.flatten(model(as_tensors(x), training=False))
    return np.concatenate([np.ravel(ops.convert_to_numpy(ops.cast(output, "float32"))) for output in outputs])


def find_consumer(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Dense:
    """The Dense layer that alone takes the output of a linear Dense layer.

    Raises:
        ValueError: if the layer or its consumer is not a plain Dense layer, the layer has an activation, its output
            is used elsewhere or is an output of the model, or something that changes values stands between.
    """
    if not any(candidate is layer for candidate in model.layers):
        raise ValueError(
            f"Expected a layer of the model itself; to rewrite a model within '{model.name}', pass that model. "
            f"Received: layer '{layer.name}'"
        )
    _check_dense(layer, "the layer to transform")
    if not graph.is_linear(layer):
        raise ValueError(
            "Expected a linear layer: Theorem 1 does not hold behind a nonlinearity. "
            f"Received: layer '{layer.name}' with activation {_name(layer.activation)!r}"
        )
    links = graph.Graph(model)
    current: Any = layer
    while True:
        if not links.used_once(current):
            raise ValueError(
                "Expected layers that are used once, or what is changed for one use is changed for the others. "
                f"Received: shared layer '{current.name}'"
            )
        if current is not layer and not graph.is_identity(current):
            break
        if links.is_output(current):
            raise ValueError(
                f"Expected a hidden layer, whose output another Dense layer takes. Received: layer '{layer.name}', "
                "whose output is an output of the model"
            )
        found = links.consumers(current)
        if len(found) != 1:
            raise ValueError(
                f"Expected exactly one layer to take the output of '{layer.name}'. "
                f"Received: {[operation.name for operation in found]}"
            )
        current = found[0]
    _check_dense(current, f"what takes the output of '{layer.name}'")
    return current


def _check_dense(layer: Any, role: str) -> None:
    # A subclass may compute something else from the same weights.
    if type(layer) is not keras.layers.Dense:
        raise ValueError(
            f"Expected {role} to be a `keras.layers.Dense`. Received: '{layer.name}' of type {type(layer).__name__}"
        )
    if not layer.built:
        raise ValueError(
            f"Expected a built model: call it once on data. Received: layer '{layer.name}' without weights"
        )
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        raise ValueError(
            f"Expected plain weights. Received: layer '{layer.name}', which is quantized or has LoRA weights"
        )


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)


def _finite(value: Any, shape: tuple[int, ...], name: str) -> Array:
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


def _weights(layer: keras.layers.Dense) -> tuple[Array, Array]:
    kernel = np.asarray(ops.convert_to_numpy(ops.cast(layer.kernel, "float64")))
    if not layer.use_bias:
        return kernel, np.zeros(layer.units)
    return kernel, np.asarray(ops.convert_to_numpy(ops.cast(layer.bias, "float64")))


def _rounded(variable: Any, value: Array) -> Array:
    """The value as a variable of that dtype will hold it."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    if dtype == "bfloat16":
        return np.asarray(ops.convert_to_numpy(ops.cast(ops.cast(value, dtype), "float32")), dtype=np.float64)
    with np.errstate(over="ignore"):
        return value.astype(dtype).astype(np.float64)


def _difference(before: tuple[Array, ...], after: tuple[Array, ...]) -> float:
    """Largest relative change of what the two layers compute from random inputs; NaN or infinite if it overflows."""
    x = np.random.default_rng(0).standard_normal((_PROBES, before[0].shape[0]))

    def compose(weights: tuple[Array, ...]) -> Array:
        kernel, bias, next_kernel, next_bias = weights
        return (x @ kernel + bias) @ next_kernel + next_bias

    with np.errstate(invalid="ignore", over="ignore"):
        expected = compose(before)
        return float(np.abs(compose(after) - expected).max() / max(np.abs(expected).max(), _TINY))
