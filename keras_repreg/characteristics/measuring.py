"""Measure the characteristics of the layers of a model."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_repreg.characteristics.accumulator import Characteristics
from keras_repreg.characteristics.collection import Collection
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.characteristics.table import CharacteristicsTable


def measure(
    model: keras.Model,
    data: Any,
    layers: Any = None,
    *,
    labels: Any = None,
    characteristics: str | Sequence[str] | None = None,
    units: str = "channels",
    positive_only: bool | None = None,
    batch_size: int | None = None,
    steps: int | None = None,
    mask: str | None = None,
    chance: bool = False,
) -> CharacteristicsTable:
    """Return the statistical characteristics of Table 1, and others, for layers of a model.

    The data is passed through the model once. If it consists of arrays and the layers need more than 320 MiB for their
    sums, it is passed several times, for some of the layers each time.

    Args:
        model: Any built Keras model: Sequential, functional or subclassed.
        data: Data as for `model.evaluate`: inputs, a tuple (inputs, targets), or an iterable of batches.
        layers: A layer, a name, or a list of these; by default all hidden layers. A path names a nested layer
            ("backbone/dense"), or a part of an output that is a dict ("backbone/pooled_output"). By default all parts
            of a dict are measured, and layers whose outputs are not real numbers of rank 2 or more are skipped.
        labels: The class of each sample, for class characteristics: an array in the order of the data; True for the
            targets of the data; or the key or index, if there are several targets. Class characteristics selected by
            name use the targets by default.
        characteristics: Names from `characterize`, or "all". Defaults to those of Table 1, with labels also the class
            variances. Only the required statistics are accumulated: see `characterize`.
        units: For layers whose outputs have positions (convolutions, sequences): "channels", where each position of
            each sample is a sample, or "flatten", where each position of each channel is a unit. The channels are the
            last axis, or the second of a layer with `data_format="channels_first"`.
        positive_only: See `characterize`. By default it depends on the activation of the layer: True for ReLU and other
            activations that are zero for negative inputs, and for layers that return the values of such a layer.
        batch_size: Samples per forward pass, if the data is not batched already; up to 1,024 by default. Batches for
            which the layers' outputs would take more than 256 MiB are split.
        steps: At most this many batches.
        mask: The name of a model input that masks positions, such as "padding_mask". By default Keras's masks are used.
            Rows that a mask excludes are ignored.
        chance: Also return each value at chance: see `characterize`.

    A layer that is called several times per batch is measured over the pooled rows of all calls.

    Returns:
        A mapping `{layer name: {characteristic: value}}` with the keys of `characterize`, which prints as a table.

    Raises:
        TypeError: if `model` is not a Keras model, `characteristics` is neither a name nor names, or `positive_only` is
            neither a bool nor None.
        ValueError: if there is no such layer or characteristic, no data, labels do not match or are missing,
            `batch_size` or `steps` is not an integer >= 1, or an activation is NaN or infinite.

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
        >>> table = keras_repreg.measure(model, x, characteristics=["numerical_rank", "dead_units"])
        >>> table["hidden"]["numerical_rank"] <= 8 * (1 - table["hidden"]["dead_units"])
        True
    """
    collection = _new(model, layers, labels, characteristics, units, positive_only, chance, moments=False)
    collection.fill(model, data, batch_size, steps, mask, keep=False)
    return collection.table()


def accumulate(
    model: keras.Model,
    data: Any,
    layers: Any = None,
    *,
    labels: Any = None,
    characteristics: str | Sequence[str] | None = None,
    units: str = "channels",
    positive_only: bool | None = None,
    batch_size: int | None = None,
    steps: int | None = None,
    mask: str | None = None,
    chance: bool = False,
) -> dict[str, Characteristics]:
    """Return the accumulators that `measure` uses, which can be merged and hold the full covariance.

    The arguments are those of `measure`.

    Returns:
        A dict of `Characteristics`, one per layer, by name.

    Raises:
        TypeError, ValueError: as in `measure`, except for non-finite values: see `Characteristics.finite`.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(3)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> first = keras_repreg.characteristics.accumulate(model, x[:60])["hidden"]
        >>> first.merge(keras_repreg.characteristics.accumulate(model, x[60:])["hidden"])
        >>> first.samples, first.moments.covariance.shape
        (100, (8, 8))
    """
    collection = _new(model, layers, labels, characteristics, units, positive_only, chance, moments=True)
    collection.fill(model, data, batch_size, steps, mask)
    return collection.accumulators


def _new(model: keras.Model, layers: Any, *arguments: Any, moments: bool) -> Collection:
    *settings, chance = arguments
    return Collection(
        select_layers(model, layers),
        *settings,
        all_layers=layers is None,
        chance=chance,
        moments=moments,
        model=model,
    )
