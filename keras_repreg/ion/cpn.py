"""Comparable performance networks (section 3.2): maps excluded by Theorem 2, with fine-tuning of the next layer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer
from keras_repreg.characteristics import measure
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.surgery import rewrite
from keras_repreg.ion.theorems import as_affine_map
from keras_repreg.models import label_aware

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A network tried by a search.

    Attributes:
        q: Q.
        error: Percentage of misclassified samples.
        correlation: Correlation of the transformed representation, as in `keras_repreg.measure`.
    """

    q: Array
    error: float
    correlation: float


def comparable(
    model: keras.Model,
    layer: Any,
    q: Any,
    data: Any,
    m: Any = None,
    *,
    loss: Any,
    epochs: int = 1,
    learning_rate: float = 1e-3,
    batch_size: int = 100,
    copy: bool = False,
) -> keras.Model:
    """Transform the representation of a ReLU layer by any Q and m as if it were linear, then fine-tune the next layer.

    The weights are computed by Theorem 1, which ignores the ReLU (or other activation function). The output therefore
    changes, and training only the next layer restores the performance as far as possible.

    Args:
        model: A built Sequential or functional model.
        layer: A Dense or convolutional layer with ReLU, or its name.
        q: Q, a nonsingular matrix of shape (M, M).
        data: Training data as for `fit`: a tuple (inputs, targets), or batches of these.
        m: m, shape (M,); 0 by default.
        loss: The loss for fine-tuning, as for `compile`.
        epochs: The number of epochs of fine-tuning; 0 for none.
        learning_rate: Learning rate of Adam.
        batch_size: Samples per step, if the data is not batched already.
        copy: Change a copy of the model instead of the model.

    Returns:
        The model, or the copy.

    Raises:
        TypeError, ValueError: see `transform`; ValueError if the layer is linear, for which `transform` is exact.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="z"), keras.layers.Dense(2)
        ... ])
        >>> x, y = np.random.default_rng(0).normal(size=(100, 4)), np.arange(100) % 2
        >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> other = keras_repreg.ion.comparable(model, "z", np.eye(3) + 1.0, (x, y), loss=loss, copy=True)

    Reference:
        Section 3.2 and Table 3 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
    """
    site = find_site(model, layer)
    if not site.nonlinear:
        raise ValueError(
            f"Expected a layer with ReLU; for a linear layer, `transform` is exact. Received: layer '{site.layer.name}'"
        )
    q, shift = as_affine_map(site, q, m)
    wanted = Kind.AFFINE if shift.any() else Kind.LINEAR
    for limit in site.limits:
        if not limit.nonlinear and limit.kind < wanted:
            raise ValueError(f"Expected a layer that could be transformed if it were linear. Received: {limit.reason}")
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
        raise ValueError(f"Expected `epochs` to be an integer >= 0. Received: epochs={epochs!r}")
    # Work on a copy, so that the model is unchanged after an error.
    other = rewrite(model, site, q, shift, copy=True, check=False)
    if epochs:
        _fine_tune(other, other.get_layer(site.consumer.name), data, loss, epochs, learning_rate, batch_size)
    if copy:
        return other
    model.set_weights(other.get_weights())
    return model


def search_comparable(
    model: keras.Model,
    layer: Any,
    draw: Callable[[np.random.Generator], Any],
    data: Any,
    validation_data: tuple[Any, Any],
    *,
    loss: Any,
    number: int = 100,
    margin: float = 0.5,
    seed: int = 0,
    **fine_tuning: Any,
) -> tuple[keras.Model, list[Candidate]]:
    """Try many random Q and return the comparable network of highest correlation with an error close to the model's.

    Args:
        model: A built classifier, whose output has one column per class.
        layer: A Dense or convolutional layer with ReLU, or its name.
        draw: A function that draws a Q from a random generator.
        data: Data for fine-tuning: see `comparable`.
        validation_data: Inputs and class ids, on which error and correlation are measured.
        loss: See `comparable`.
        number: The number of Q to try.
        margin: The allowed increase in error, in percentage points.
        seed: The seed of the generator.
        **fine_tuning: `epochs`, `learning_rate` and `batch_size` of `comparable`.

    Returns:
        The network, which is a copy, and all candidates. If none is within the margin, the network of lowest error.

    Raises:
        TypeError, ValueError: see `comparable`.
    """
    number = positive_integer(number, "number")
    if hasattr(data, "__next__"):
        raise ValueError(f"Expected `data` that can be read {number} times. Received: {data!r}")
    rng = np.random.default_rng(seed)
    limit = _error(model, validation_data) + margin
    candidates: list[Candidate] = []
    best: keras.Model = model
    name = find_site(model, layer).layer.name
    for _ in range(number):
        q = np.asarray(draw(rng), dtype=np.float64)
        other = comparable(model, name, q, data, loss=loss, copy=True, **fine_tuning)
        found = Candidate(q, _error(other, validation_data), measure(other, validation_data, name)[name]["correlation"])
        if not candidates or _rank(found, limit) > max(_rank(candidate, limit) for candidate in candidates):
            best = other
        candidates.append(found)
    return best, candidates


def _rank(candidate: Candidate, limit: float) -> tuple[bool, float]:
    """Return a sort key: candidates within the limit are ordered by correlation, others by error."""
    within = candidate.error <= limit
    return within, candidate.correlation if within else -candidate.error


def _error(model: keras.Model, data: tuple[Any, Any]) -> float:
    x, y = data
    predicted = np.asarray(model.predict(x, verbose=0)).argmax(axis=-1)
    return 100 * float(np.mean(predicted != np.reshape(y, predicted.shape)))


def _fine_tune(
    model: keras.Model, consumer: Any, data: Any, loss: Any, epochs: int, learning_rate: float, batch_size: int
) -> None:
    """Train one layer in a second model that shares the layers, so that the user's model stays compiled."""
    around = label_aware(keras.Model(model.inputs, model.outputs))
    flags = [(layer, layer.trainable) for layer in _with_inner(model.layers)]
    try:
        for layer in model.layers:
            layer.trainable = layer is consumer
        around.compile(keras.optimizers.Adam(learning_rate), loss)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data) if isinstance(data, tuple) else (data, None, None)
        batches = {} if y is None else {"batch_size": batch_size}
        around.fit(x, y, sample_weight=weight, epochs=epochs, verbose=0, **batches)
    finally:
        # Setting the flag of a layer also sets those of its sublayers, so sublayers are restored last.
        for layer, flag in flags:
            layer.trainable = flag


def _with_inner(layers: list[Any]) -> list[Any]:
    """Return layers, each followed by its sublayers."""
    found = []
    for layer in layers:
        inner = [*getattr(layer, "layers", []), *([layer.layer] if isinstance(layer, keras.layers.Wrapper) else [])]
        found += [layer, *_with_inner(inner)]
    return found
