"""The two entry points: characteristics of an array, and of the layers of a model."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.activations import Source, forward_pass
from keras_repreg.batches import batches
from keras_repreg.characteristics.accumulator import Characteristics, check_bool
from keras_repreg.characteristics.batch_size import can_split, split, suitable_batch_size
from keras_repreg.characteristics.definitions import needs_labels, select
from keras_repreg.characteristics.rectified import graphs_within, positive_only_of
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.characteristics.table import CharacteristicsTable
from keras_repreg.characteristics.targets import LabelSource
from keras_repreg.graph import Graph
from keras_repreg.labels import sample_classes
from keras_repreg.rows import channel_axis, kept_rows, rows_of


def characterize(
    z: Any,
    labels: Any = None,
    positive_only: bool = True,
    *,
    characteristics: str | Sequence[str] | None = None,
    units: str = "channels",
    chance: bool = False,
) -> dict[str, Any]:
    """The statistical characteristics of Table 1 for an array of activations, and others by name.

    | key | formula |
    | --- | --- |
    | `amplitude` | E[abs(z_i)] |
    | `covariance` | E over i != j of abs(c_ij), c_ij = E[(z_i - mu_i)(z_j - mu_j)] |
    | `correlation` | E over i != j of abs(rho_ij), rho_ij = c_ij / (sigma_i sigma_j) |
    | `sparsity` | P_s, the fraction of activations that are exactly zero |
    | `dead_units` | P_d, the fraction of units that are zero for every sample |
    | `stable_rank` | norm_F(C)^2 / norm_2(C)^2 of the covariance of all values, zeros included |

    These six are the default; with labels the two variances of classes as well. The others are there by name, or all
    of them as `characteristics="all"`. With lambda_1 >= lambda_2 >= ... the eigenvalues of C, sigma_k the singular
    values of Z, and S_W and S_B the covariance within classes and that of the class means, each class counting by
    its share of the samples, so that C = S_W + S_B:

    | key | formula |
    | --- | --- |
    | `signed_covariance`, `signed_correlation` | E over i != j of c_ij, rho_ij, as Table 1 writes them |
    | `mean`, `variance` | E over units of mu_i, v_i |
    | `numerical_rank` | the number of lambda_k > 1e-8 lambda_1 |
    | `effective_rank` | exp(- sum of p_k log p_k), p_k = lambda_k / sum of lambda [1] |
    | `participation_ratio` | (sum of lambda_k)^2 / sum of lambda_k^2 [2] |
    | `rankme` | exp(- sum of p_k log p_k), p_k = sigma_k / sum of sigma, Z not centred [3] |
    | `spectrum` | the array of lambda_k |
    | `within_class_variance`, `between_class_variance` | trace(S_W) / M, trace(S_B) / M |
    | `nc1` | trace(S_W S_B^+) / K, the first measure of neural collapse [4] |

    Covariance and correlation are means of ABSOLUTE values: the numbers that the paper prints are, although its
    Table 1 writes signed means. Computed in float64. What is not defined, such as the correlation of a single
    unit, is 0; a pair of units with fewer than two common samples does not count, nor does a constant unit for
    the correlation.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) where every position counts as a sample.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        positive_only: Amplitude over positive activations only, covariance and correlation of a pair of units
            over the samples where both are positive, as the paper does for ReLU layers.
        characteristics: Names of those wanted, or "all". Where all of them are among amplitude, sparsity, dead units,
            mean, variance and the class variances, no M x M matrix is formed.
        units: "channels", or "flatten" for each position of each channel as a unit.
        chance: Also give, under `<name>_at_chance`, what covariance, correlation and ranks are for independent units
            of the same margins and this number of samples, and characteristics of classes for shuffled labels.

    Returns:
        A dict of floats, and of an array for the spectrum.

    Raises:
        TypeError: if `characteristics` is neither a name nor names, or `positive_only` no bool.
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, the labels do not fit or are
            missing, or there is no such characteristic.

    Examples:
        >>> import numpy as np, keras_repreg
        >>> z = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 6.0, 0.0]])
        >>> result = keras_repreg.characterize(z)
        >>> round(result["sparsity"], 3), round(result["dead_units"], 3), result["amplitude"]
        (0.444, 0.333, 3.2)
        >>> keras_repreg.characterize(z, characteristics=["numerical_rank"])
        {'numerical_rank': 2.0}

    Reference:
        Table 1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
        [1] Roy and Vetterli (2007), "The effective rank: a measure of effective dimensionality"; of C here.
        [2] Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy and Ganguli (2017), "A theory of multineuronal dimensionality,
        dynamics and measurement".
        [3] Garrido, Balestriero, Najman and LeCun (2023), "RankMe: assessing the downstream performance of pretrained
        self-supervised representations by their rank"; without its 1e-7, which guards the logarithm.
        [4] Papyan, Han and Donoho (2020), "Prevalence of neural collapse during the terminal phase of deep learning
        training", whose classes are of equal size.
    """
    matrix = rows_of(z, units)
    if not matrix.size:
        raise ValueError(f"Expected at least one sample of at least one unit. Received: shape {np.shape(z)}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"Expected finite values. Received: {np.sum(~np.isfinite(matrix))} NaN or infinite ones")
    samples = np.shape(z)[0]
    classes = None if labels is None else np.repeat(sample_classes(labels, samples), len(matrix) // samples)
    select(characteristics, labelled=labels is not None)
    accumulator = Characteristics(positive_only, characteristics, chance=chance)
    accumulator.update(matrix, classes)
    return accumulator.result()


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
    """The statistical characteristics of Table 1, and others, for layers of a model, in one pass over the data.

    Args:
        model: Any built Keras model: Sequential, functional or subclassed.
        data: What `model.evaluate` takes: inputs, a tuple (inputs, targets), or an iterable of batches.
        layers: A layer, a name, or a list of these; by default all hidden layers. A path names a layer within others
            ("backbone/dense"), or a part of an output that is a dict ("backbone/pooled_output"). By default all parts
            of a dict are measured, and layers are passed over whose output is not real numbers of rank 2 or more.
        labels: The class of each sample, for the characteristics of classes: an array in the order of the data; True
            for the targets of the data; or of several targets the key or index. Characteristics of classes that are
            asked for by name take the targets by themselves.
        characteristics: Names out of those of `characterize`, or "all"; by default those of Table 1, with labels the
            variances of classes too. Only what they need is accumulated: see `characterize`.
        units: Of layers whose outputs have positions (convolutions, sequences): "channels", where each position
            of each sample counts as a sample, or "flatten", where each position of each channel is a unit.
            The channels are the last axis, or the second of a layer with `data_format="channels_first"`.
        positive_only: See `characterize`; by default the activation of the layer decides: it is so after ReLU and
            others that are zero for negative inputs, and for layers that pass on the values of such a layer.
        batch_size: Samples per forward pass, where the data is not batched already; by default 256. Batches that are
            too large for the layers' outputs, which would take more than 192 MiB, are passed on in parts.
        steps: At most this many batches.
        mask: The name of an input of the model that says which positions count, such as "padding_mask". By default
            Keras's own masks do: rows that they exclude are left out.
        chance: Also give each value at chance: see `characterize`.

    A layer that is called several times per batch is measured over all its calls: their rows are pooled.

    Returns:
        A mapping `{layer name: {characteristic: value}}` with the keys of `characterize`, which prints as a table.

    Raises:
        TypeError: if `model` is not a Keras model, `characteristics` neither a name nor names, or `positive_only`
            neither a bool nor None.
        ValueError: if there is no such layer or characteristic, no data, labels that do not fit or are missing,
            `batch_size` or `steps` is no integer >= 1, or an activation is NaN or infinite.

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
    sources = select_layers(model, layers)
    collection = Collection(
        sources,
        labels,
        characteristics,
        units,
        positive_only,
        all_layers=layers is None,
        chance=chance,
        moments=False,
        model=model,
    )
    collection.fill(model, data, batch_size, steps, mask)
    broken = [name for name, accumulator in collection.accumulators.items() if not accumulator.finite]
    if broken:
        raise ValueError(f"Expected finite activations. Received: NaN or infinite values of layers {broken}")
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
    """As `measure`, but gives the accumulators, which can be merged and hold the full covariance.

    The arguments are those of `measure`.

    Returns:
        A dict of `Characteristics`, one a layer, by name.

    Raises:
        TypeError, ValueError: as `measure`, but for values that are not finite: see `Characteristics.finite`.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(3)])
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> first = keras_repreg.characteristics.accumulate(model, x[:60])["hidden"]
        >>> first.merge(keras_repreg.characteristics.accumulate(model, x[60:])["hidden"])
        >>> first.samples, first.moments.covariance.shape
        (100, (8, 8))
    """
    sources = select_layers(model, layers)
    collection = Collection(
        sources,
        labels,
        characteristics,
        units,
        positive_only,
        all_layers=layers is None,
        chance=chance,
        model=model,
    )
    collection.fill(model, data, batch_size, steps, mask)
    return collection.accumulators


class Collection:
    """The accumulators of several layers, filled from what a forward pass computes.

    Args:
        sources: Where the activations come from.
        labels, characteristics, units, positive_only, chance: See `measure`.
        all_layers: Whether layers are passed over whose outputs cannot be measured; otherwise they are errors.
        moments: Whether mean and covariance are kept in float64: see `Characteristics`.
        model: The model, whose graph tells what stands before a layer that passes values on.

    Attributes:
        accumulators: One `Characteristics` per name; of a layer with several outputs there are several.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        labels: Any = None,
        characteristics: str | Sequence[str] | None = None,
        units: str = "channels",
        positive_only: bool | None = None,
        *,
        all_layers: bool = False,
        chance: bool = False,
        moments: bool = True,
        model: keras.Model | None = None,
    ):
        rows_of(np.zeros((1, 1)), units)  # names a wrong `units` before any work
        if positive_only is not None:
            check_bool(positive_only, "positive_only")
        check_bool(chance, "chance")
        chosen = select(characteristics, labelled=True)
        if labels is None and characteristics not in (None, "all") and any(map(needs_labels, chosen)):
            labels = True
        self.sources = sources
        self.labels = LabelSource(labels)
        self.accumulators: dict[str, Characteristics] = {}
        self._characteristics = characteristics
        self._units = units
        self._positive_only = positive_only
        self._all_layers = all_layers
        self._chance, self._moments = chance, moments
        self._model = model
        self._classes: NDArray[Any] | None = None
        self._masked = False

    @functools.cached_property
    def _graphs(self) -> Sequence[Graph]:
        return () if self._model is None else graphs_within(self._model)

    def fill(
        self, model: keras.Model, data: Any, batch_size: int | None, steps: int | None, mask: str | None = None
    ) -> None:
        """Add what one forward pass over the data computes."""
        largest = suitable_batch_size(model)
        given = batches(data, largest if batch_size is None else batch_size, steps)
        if can_split(model):
            given = split(given, largest)
        forward_pass(model, given, self.sources, self.begin, self.receive, batch_size=largest, mask=mask)
        if steps is None:
            self.labels.check_end()
        if not self.accumulators:
            raise ValueError(
                "Expected a layer whose output is real numbers of shape (samples, ..., units). "
                f"Received: {[source.name for source in self.sources]} without one"
            )
        if mask is not None and not self._masked:
            raise ValueError(
                "Expected a mask of samples or of positions that a measured layer has. "
                f"Received: mask={mask!r}, which fits none of {list(self.accumulators)}"
            )

    def begin(self, y: Any, samples: int | None = None, inputs: Any = None) -> None:
        """Begin a batch of so many samples with targets `y`; the number is needed where labels are an array."""
        self._classes = self.labels.of_batch(y, samples)

    def receive(self, name: str, layer: keras.layers.Layer, output: Any, mask: Any = None) -> NDArray[Any] | None:
        """Add an output of a layer, and return its rows; None if it was passed over."""
        axis = channel_axis(layer)
        try:
            z = rows_of(output, self._units, axis)
            kept = kept_rows(mask, tuple(output.shape), self._units, axis)
        except ValueError as error:
            if self._all_layers and name not in self.accumulators:
                return None
            raise ValueError(f"Layer '{name}': {error}") from error
        classes = None if self._classes is None else np.repeat(self._classes, len(z) // max(len(self._classes), 1))
        if kept is not None:
            self._masked = True
            z, classes = z[kept], None if classes is None else classes[kept]
        if name not in self.accumulators:
            positive_only = self._positive_only
            if positive_only is None:
                positive_only = positive_only_of(layer, self._graphs)
            self.accumulators[name] = Characteristics(
                positive_only, self._characteristics, moments=self._moments, chance=self._chance
            )
        self.accumulators[name].update(z, classes)
        return z

    def table(self) -> CharacteristicsTable:
        """What was measured so far."""
        return CharacteristicsTable(
            {name: accumulator.result() for name, accumulator in self.accumulators.items()},
            {name: accumulator.samples for name, accumulator in self.accumulators.items()},
        )
