"""Measure statistics of each unit of a layer."""

from typing import Any

import keras

from keras_repreg.characteristics.measuring import accumulate
from keras_repreg.characteristics.single_units import PER_UNIT
from keras_repreg.characteristics.table import UnitsTable


def measure_units(
    model: keras.Model,
    data: Any,
    layer: Any,
    labels: Any = None,
    *,
    units: str = "channels",
    positive_only: bool | None = None,
    batch_size: int | None = None,
    steps: int | None = None,
) -> UnitsTable:
    """Return statistics of each unit of a layer, in one pass over the data.

    | column | meaning |
    | --- | --- |
    | `mean`, `variance` | of all values |
    | `amplitude` | mean absolute value; of ReLU, mean of the positive values |
    | `sparsity` | fraction of values that are exactly zero |
    | `dead` | whether all of them are |
    | `dormant_score` | mean absolute value relative to its mean over the units; units up to 0.025 are dormant [1] |
    | `most_correlated`, `correlation` | the unit with the largest absolute correlation, or None, and the correlation |
    | `between_share` | with labels: the fraction of the variance that is between classes |
    | `favourite_class` | with labels: the class with the largest mean, or None if all means are equal |

    Args:
        model: Any built Keras model.
        data: Data as for `keras_repreg.measure`.
        layer: The layer, or its name.
        labels: The class of each sample, or True for the targets of the data: see `keras_repreg.measure`.
        units: "channels" or "flatten": see `keras_repreg.measure`.
        positive_only: See `keras_repreg.measure`.
        batch_size: Samples per forward pass: see `keras_repreg.measure`.
        steps: At most this many batches.

    Returns:
        A mapping `{unit: {column: value}}`, which prints as a table; pass its `rows()` to `pandas.DataFrame`.

    Raises:
        TypeError, ValueError: as in `keras_repreg.measure`; ValueError if `layer` is not a single layer.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> hidden = keras.layers.Dense(8, activation="relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(3)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> table = keras_repreg.measure_units(model, x, "hidden", labels=x[:, 0] > 0)
        >>> len(table), table[3]["favourite_class"] in (False, True)
        (8, True)

    Reference:
        [1] Sokar, Agarwal, Castro and Evci (2023), "The dormant neuron phenomenon in deep reinforcement learning".
    """
    if layer is None or isinstance(layer, (list, tuple)):
        raise ValueError(f"Expected `layer` to be a single layer or its name. Received: layer={layer!r}")
    names = [*PER_UNIT, *([] if labels is None else ["within_class_variance"])]
    (found,) = accumulate(
        model,
        data,
        layer,
        labels=labels,
        characteristics=names,
        units=units,
        positive_only=positive_only,
        batch_size=batch_size,
        steps=steps,
    ).values()
    return found.units()
