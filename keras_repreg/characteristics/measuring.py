"""The two entry points: characteristics of an array, and of the layers of a model."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_repreg import graph
from keras_repreg.characteristics.accumulator import Characteristics
from keras_repreg.characteristics.capture import as_matrix, as_tensors, batches, recorded_outputs


def characterize(z: Any, labels: Any = None, positive_only: bool = True) -> dict[str, float]:
    """The statistical characteristics of Table 1 for an array of activations.

    | key | formula |
    | --- | --- |
    | `amplitude` | E[abs(z_i)] |
    | `covariance` | E over i != j of abs(c_ij), c_ij = E[(z_i - mu_i)(z_j - mu_j)] |
    | `correlation` | E over i != j of abs(rho_ij), rho_ij = c_ij / (sigma_i sigma_j) |
    | `sparsity` | P_s, the fraction of activations that are exactly zero |
    | `dead_units` | P_d, the fraction of units that are zero for every sample |
    | `stable_rank` | norm_F(C)^2 / norm_2(C)^2 of the covariance of all values, zeros included |

    Covariance and correlation are means of ABSOLUTE values: the numbers that the paper prints are, although its
    Table 1 writes signed means. Computed in float64. What is not defined, such as the correlation of a single
    unit, is 0; a pair of units with fewer than two common samples does not count, nor does a constant unit for
    the correlation.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) where every position counts as a sample.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K). With it the result also has
            `within_class_variance` and `between_class_variance`, means over the units.
        positive_only: Amplitude over positive activations only, covariance and correlation of a pair of units
            over the samples where both are positive, as the paper does for ReLU layers.

    Returns:
        A dict of floats.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, or the labels do not fit.

    Examples:
        >>> import numpy as np, keras_repreg
        >>> z = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 6.0, 0.0]])
        >>> result = keras_repreg.characterize(z)
        >>> round(result["sparsity"], 3), round(result["dead_units"], 3), result["amplitude"]
        (0.444, 0.333, 3.2)

    Reference:
        Table 1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
    """
    matrix = as_matrix(z)
    if not matrix.size:
        raise ValueError(f"Expected at least one sample of at least one unit. Received: shape {np.shape(z)}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"Expected finite values. Received: {np.sum(~np.isfinite(matrix))} NaN or infinite ones")
    accumulator = Characteristics(positive_only=positive_only)
    accumulator.update(matrix, None if labels is None else _sample_classes(labels, np.shape(z)[0], len(matrix)))
    return accumulator.result()


def measure(
    model: keras.Model,
    data: Any,
    layers: Any = None,
    *,
    positive_only: bool | None = None,
    batch_size: int = 256,
    steps: int | None = None,
) -> dict[str, dict[str, float]]:
    """The statistical characteristics of Table 1 for layers of a model, in one streaming pass over the data.

    Args:
        model: Any built Keras model: Sequential, functional or subclassed.
        data: What `model.evaluate` takes: inputs, a tuple (inputs, targets), or an iterable of batches.
        layers: A layer, a name, or a list of these; by default all hidden layers.
        positive_only: See `characterize`; by default it is so for layers whose values in the first batch are never
            negative, as those of ReLU are.
        batch_size: Samples per forward pass, where the data is not batched already.
        steps: At most this many batches.

    Returns:
        `{layer name: {characteristic: value}}`, with the keys of `characterize`.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if there is no such layer, no data, or an activation is NaN or infinite.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(8, activation="relu", name="hidden"),
        ...     keras.layers.Dense(3),
        ... ])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> sorted(keras_repreg.measure(model, x)["hidden"])
        ['amplitude', 'correlation', 'covariance', 'dead_units', 'sparsity', 'stable_rank']
    """
    accumulators = accumulate(model, data, layers, positive_only=positive_only, batch_size=batch_size, steps=steps)
    broken = [name for name, accumulator in accumulators.items() if not accumulator.finite]
    if broken:
        raise ValueError(f"Expected finite activations. Received: NaN or infinite values of layers {broken}")
    return {name: accumulator.result() for name, accumulator in accumulators.items()}


def accumulate(
    model: keras.Model,
    data: Any,
    layers: Any = None,
    *,
    positive_only: bool | None = None,
    batch_size: int = 256,
    steps: int | None = None,
) -> dict[str, Characteristics]:
    """As `measure`, but gives the accumulators, which can be merged and hold the full covariance."""
    chosen = select_layers(model, layers)
    accumulators: dict[str, Characteristics] = {}
    with recorded_outputs(chosen) as outputs:
        for x, _ in batches(data, batch_size, steps):
            model(as_tensors(x), training=False)
            for layer in chosen:
                z = _recorded(outputs, layer)
                if layer.name not in accumulators:
                    accumulators[layer.name] = Characteristics(
                        bool((z >= 0).all()) if positive_only is None else positive_only
                    )
                accumulators[layer.name].update(z)
    if not accumulators:
        raise ValueError(f"Expected at least one batch of data. Received: {type(data).__name__} without any")
    return accumulators


def _recorded(outputs: dict[str, Any], layer: keras.layers.Layer) -> NDArray[np.float64]:
    if layer.name not in outputs:
        raise ValueError(f"Expected the model to call layer '{layer.name}' when it is called. Received: no call")
    try:
        return as_matrix(outputs[layer.name])
    except ValueError as error:
        raise ValueError(f"Layer '{layer.name}': {error}") from error


def select_layers(model: keras.Model, layers: Any = None) -> list[keras.layers.Layer]:
    """The layers meant by a layer, a name or a list of these; all hidden layers for None."""
    if layers is not None:
        wanted: Sequence[Any] = layers if isinstance(layers, (list, tuple)) else [layers]
        return [graph.find_layer(model, layer) for layer in wanted]
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    links = graph.of(model)
    # Where there is no graph to tell, the layer that was made last is taken for the output.
    outputs = [links.source(layer) for layer in links.outputs()] if links else model.layers[-1:]
    hidden = [layer for layer in model.layers if graph.is_hidden(layer) and layer not in outputs]
    if not hidden:
        raise ValueError(f"Expected a model with hidden layers. Received: '{model.name}' with none")
    return hidden


def _sample_classes(labels: Any, samples: int, rows: int) -> NDArray[Any]:
    array = np.asarray(ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels)
    if array.ndim not in (1, 2) or len(array) != samples:
        raise ValueError(
            f"Expected `labels` of shape ({samples},), ({samples}, 1) or one-hot ({samples}, K). "
            f"Received: shape {array.shape}"
        )
    if array.ndim == 2:
        array = array[:, 0] if array.shape[1] == 1 else array.argmax(axis=1)
    return np.repeat(array, rows // samples)
