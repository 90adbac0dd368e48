"""The accumulators of several layers."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_repreg.activations import Source, forward_pass
from keras_repreg.batches import batches, is_arrays, samples_in
from keras_repreg.characteristics import passes
from keras_repreg.characteristics.accumulator import Characteristics, check_bool
from keras_repreg.characteristics.batch_size import can_split, split, suitable_batch_size
from keras_repreg.characteristics.definitions import needs_labels, select
from keras_repreg.characteristics.rectified import graphs_within, positive_only_of
from keras_repreg.characteristics.table import CharacteristicsTable
from keras_repreg.characteristics.targets import LabelSource
from keras_repreg.graph import Graph
from keras_repreg.rows import channel_axis, kept_rows, rows_of


class Collection:
    """The accumulators of several layers, filled by a forward pass.

    Args:
        sources: The sources of the activations.
        labels, characteristics, units, positive_only, chance: See `measure`.
        all_layers: Whether to skip layers whose outputs cannot be measured, instead of raising an error.
        moments: Whether to accumulate mean and covariance in float64: see `Characteristics`.
        model: The model, whose graph shows which layer precedes a layer that returns its input.

    Attributes:
        accumulators: One `Characteristics` per name; a layer with several outputs has several.
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
        rows_of(np.zeros((1, 1)), units)  # raises an error for a wrong `units` early
        if positive_only is not None:
            check_bool(positive_only, "positive_only")
        check_bool(chance, "chance")
        chosen = select(characteristics, labelled=True)
        if labels is None and characteristics not in (None, "all") and any(map(needs_labels, chosen)):
            labels = True
        self.sources = sources
        self.labels = LabelSource(labels)
        self.accumulators: dict[str, Characteristics] = {}
        self._finished: dict[str, tuple[dict[str, Any], int]] = {}
        self._characteristics = characteristics
        self._units = units
        self._positive_only = positive_only
        self._all_layers = all_layers
        self._chance, self._moments = chance, moments
        self._model = model
        self._classes: NDArray[Any] | None = None
        self._masked = False
        # Cached by the id of the layer, which the sources keep alive: calling its activation function is slow.
        self._rectified: dict[int, bool] = {}

    @functools.cached_property
    def _graphs(self) -> Sequence[Graph]:
        return () if self._model is None else graphs_within(self._model)

    def fill(
        self,
        model: keras.Model,
        data: Any,
        batch_size: int | None,
        steps: int | None,
        mask: str | None = None,
        *,
        keep: bool = True,
    ) -> None:
        """Add the activations of a forward pass over the data.

        Args:
            model: The model.
            data: See `measure`.
            batch_size: See `measure`.
            steps: See `measure`.
            mask: See `measure`.
            keep: Keep the accumulators. Otherwise only `table()` is available, and layers with large accumulators are
                measured in several passes if the data consists of arrays.

        Raises:
            ValueError: see `measure`; non-finite values are an error unless `keep` is True.
        """
        largest = suitable_batch_size(model)
        groups = [self.sources] if keep else self._groups(data)
        for group in groups:
            self.labels.restart()
            given = batches(data, largest if batch_size is None else batch_size, steps)
            if can_split(model):
                given = split(given, largest)
            forward_pass(model, given, group, self.begin, self.receive, batch_size=largest, mask=mask)
            if steps is None:
                self.labels.check_end()
            if not keep:
                self._finish()
        if not (self.accumulators or self._finished):
            raise ValueError(
                "Expected a layer whose output consists of real numbers of shape (samples, ..., units). Received: "
                f"{[source.name for source in self.sources]} without one"
            )
        if mask is not None and not self._masked:
            raise ValueError(
                f"Expected a mask of the samples or positions of a measured layer. Received: mask={mask!r}, which "
                f"matches none of {[*self._finished, *self.accumulators]}"
            )

    def _groups(self, data: Any) -> list[Sequence[Source]]:
        """Return the sources of each pass. Invalid arrays raise an error later, when they are read."""
        x = keras.tree.flatten(data[0] if isinstance(data, tuple) and data else data) if is_arrays(data) else []
        if not x or not getattr(x[0], "shape", None):
            return [self.sources]
        samples = samples_in(x[0])
        held = [
            passes.bytes_held(source.layer, samples, self._units, self._new_accumulator(source.layer))
            for source in self.sources
        ]
        return passes.groups_of(self.sources, held, passes.BUDGET)

    def _finish(self) -> None:
        """Replace the accumulators with their results."""
        broken = [name for name, accumulator in self.accumulators.items() if not accumulator.finite]
        if broken:
            raise ValueError(f"Expected finite activations. Received: NaN or infinite values in layers {broken}")
        for name in list(self.accumulators):
            accumulator = self.accumulators.pop(name)
            self._finished[name] = accumulator.result(), accumulator.samples

    def begin(self, y: Any, samples: int | None = None, inputs: Any = None) -> None:
        """Start a batch with targets `y`. The number of samples is required if labels are an array."""
        self._classes = self.labels.of_batch(y, samples)

    def receive(self, name: str, layer: keras.layers.Layer, output: Any, mask: Any = None) -> NDArray[Any] | None:
        """Add an output of a layer, and return its rows, or None if it was skipped."""
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
            self.accumulators[name] = self._new_accumulator(layer)
        self.accumulators[name].update(z, classes)
        return z

    def _new_accumulator(self, layer: keras.layers.Layer) -> Characteristics:
        positive_only = self._positive_only
        if positive_only is None:
            if id(layer) not in self._rectified:
                self._rectified[id(layer)] = positive_only_of(layer, self._graphs)
            positive_only = self._rectified[id(layer)]
        return Characteristics(positive_only, self._characteristics, moments=self._moments, chance=self._chance)

    def table(self) -> CharacteristicsTable:
        """Return the results so far."""
        found = dict(self._finished)
        found |= {name: (accumulator.result(), accumulator.samples) for name, accumulator in self.accumulators.items()}
        return CharacteristicsTable(
            {name: values for name, (values, _) in found.items()},
            {name: samples for name, (_, samples) in found.items()},
        )
