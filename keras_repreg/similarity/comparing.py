"""Compare the layers of two networks on the same data."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_repreg.activations import Source, forward_pass
from keras_repreg.arguments import one_of
from keras_repreg.batches import batches, samples_in
from keras_repreg.characteristics.memory import available_memory, in_words
from keras_repreg.characteristics.moments import Array
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.characteristics.table import Table
from keras_repreg.rows import rows_of
from keras_repreg.similarity.alignment import SMALLEST, Alignment, u_centred
from keras_repreg.similarity.cross_moments import CrossMoments

MEASURES = ("cka", "cca", "procrustes")


class SimilarityTable(Table[str]):
    """Similarities of the layers of two networks, rows and columns: `table["hidden"]["other"]`.

    Args:
        rows: `{layer: {other layer: value}}`.
        measure: The name of the measure.
        samples: The number of samples.
    """

    key_name = "layer"

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], measure: str, samples: int):
        super().__init__(rows)
        self.measure = measure
        self.samples = samples

    @property
    def matrix(self) -> Array:
        """The values, shape (rows, columns)."""
        return np.array([list(row.values()) for row in self.values()])


def compare(
    model_a: keras.Model,
    model_b: keras.Model,
    data: Any,
    layers: Any = None,
    *,
    layers_b: Any = None,
    measure: str = "cka",
    batch_size: int = 256,
    steps: int | None = None,
) -> SimilarityTable:
    """Compare all pairs of layers of two networks by their outputs for the same data.

    All positions of a layer's output are units.

    Args:
        model_a: A built Keras model, whose layers are the rows.
        model_b: Another model, or the same one, whose layers are the columns.
        data: Data as for `keras_repreg.measure`; both models are called on its inputs.
        layers: A layer, a name, or a list of these; by default all hidden layers. Layers of `model_b` are found by the
            same names.
        layers_b: The layers of `model_b`, if their names differ from those of `model_a`.
        measure: "cka" (debiased; see `cka`), "cca" or "procrustes". CKA averages unbiased estimates over batches, for
            layers of any width. The others accumulate a matrix of size width times width for each pair of layers.
        batch_size: Samples per forward pass, if the data is not batched already. CKA is less noisy with larger batches.
        steps: At most this many batches.

    Returns:
        A mapping `{layer of model_a: {layer of model_b: value}}` that prints as a table, with the array `.matrix`.

    Raises:
        TypeError: if one of the models is not a Keras model.
        ValueError: if there is no such layer or measure, no data, only batches of fewer than four samples, a value that
            is not finite, or not enough memory.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> from keras_repreg import similarity
        >>> def network():
        ...     hidden = keras.layers.Dense(8, name="hidden")
        ...     return keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(3)])
        >>> first, second = network(), network()
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> table = similarity.compare(first, second, x)
        >>> 0.3 < table["hidden"]["hidden"] < 1
        True
        >>> bool(np.isclose(similarity.compare(first, first, x)["hidden"]["hidden"], 1))
        True

    Reference:
        Nguyen, Raghu and Kornblith (2021), "Do wide and deep networks learn the same things?".
    """
    one_of(measure, MEASURES, "measure")
    rows = select_layers(model_a, layers)
    if layers_b is None and layers is not None:
        layers_b = [source.name for source in rows]
    columns = select_layers(model_b, layers_b)
    total = (
        _AlignmentOfLayers(len(rows), len(columns)) if measure == "cka" else _Pairs(len(rows), len(columns), measure)
    )
    used = seen = 0
    for x, _ in batches(data, batch_size, steps):
        first, second = outputs_of(model_a, rows, x), outputs_of(model_b, columns, x)
        seen += len(first[0])
        used += total.update(first, second)
    if not used:
        raise ValueError(f"Expected a batch of at least {SMALLEST} samples. Received: {seen} samples in all batches")
    values = total.values().tolist()
    names = [source.name for source in columns]
    return SimilarityTable(
        {source.name: dict(zip(names, row, strict=True)) for source, row in zip(rows, values, strict=True)},
        measure,
        used,
    )


def outputs_of(model: keras.Model, sources: Sequence[Source], x: Any, *, finite: bool = True) -> list[Array]:
    """Return the outputs of the layers for a batch, each of shape (N, M) in float64, with all positions as units.

    The outputs of a layer that is called several times are concatenated.

    Raises:
        ValueError: if the output of a layer is not such an array, or `finite` is True and a value is not finite.
    """
    found: dict[str, list[Array]] = {source.name: [] for source in sources}

    def receive(name: str, layer: keras.layers.Layer, output: Any, mask: Any) -> None:
        if name not in found:
            raise ValueError(
                f"Expected one part of the output of layer '{layer.name}'. Received: {name!r}, which has several parts"
            )
        z = rows_of(output, "flatten").astype(np.float64)
        if finite and not np.isfinite(z).all():
            raise ValueError(f"Expected finite activations. Received: NaN or infinite values in layer '{name}'")
        found[name].append(z)

    samples = samples_in(x)
    forward_pass(model, iter([(x,)]), sources, lambda y, n, inputs: None, receive, batch_size=samples)
    return [np.concatenate(parts, axis=1) for parts in found.values()]


class _AlignmentOfLayers:
    def __init__(self, a: int, b: int):
        self._alignment = Alignment(a, b)

    def update(self, a: list[Array], b: list[Array]) -> int:
        """Add a batch and return the number of samples used."""
        if len(a[0]) < SMALLEST:
            return 0
        self._alignment.update([u_centred(z) for z in a], [u_centred(z) for z in b])
        return len(a[0])

    def values(self) -> Array:
        return self._alignment.cka()


class _Pairs:
    """Cross moments of each pair of layers."""

    def __init__(self, a: int, b: int, measure: str):
        self._measure = measure
        self._moments = [[CrossMoments() for _ in range(b)] for _ in range(a)]
        self._checked = False

    def update(self, a: list[Array], b: list[Array]) -> int:
        """Add a batch and return the number of samples used."""
        if not self._checked:
            self._check_memory([z.shape[1] for z in a], [z.shape[1] for z in b])
        for row, z in zip(self._moments, a, strict=True):
            for moments, other in zip(row, b, strict=True):
                moments.update(z, other)
        return len(a[0])

    def _check_memory(self, a: list[int], b: list[int]) -> None:
        self._checked = True
        needed = 8 * sum(p * q + p * p + q * q for p in a for q in b)
        available = available_memory()
        if needed > available:
            raise ValueError(
                f"Expected enough memory for covariances of {len(a) * len(b)} pairs of layers, of up to {max(a + b):,} "
                f"units: {in_words(needed)}, and {in_words(available)} are available. Choose fewer layers, or "
                f"measure='cka'. Received: measure={self._measure!r}"
            )

    def values(self) -> Array:
        return np.array([[getattr(moments, self._measure)() for moments in row] for row in self._moments])
