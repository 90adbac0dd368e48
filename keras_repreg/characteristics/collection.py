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
        self._finished: dict[str, tuple[dict[str, Any], int]] = {}
        self._characteristics = characteristics
        self._units = units
        self._positive_only = positive_only
        self._all_layers = all_layers
        self._chance, self._moments = chance, moments
        self._model = model
        self._classes: NDArray[Any] | None = None
        self._masked = False
        # By the layer's id, which the sources keep alive: calling its activation function takes a while.
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
        """Add what a forward pass over the data computes.

        Args:
            model: The model.
            data: See `measure`.
            batch_size: See `measure`.
            steps: See `measure`.
            mask: See `measure`.
            keep: Keep the accumulators. Otherwise only `table()` is available, and layers whose accumulators take much
                memory are measured in several passes over the data, if it consists of arrays.

        Raises:
            ValueError: see `measure`; values that are not finite are an error unless `keep`.
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
                "Expected a layer whose output is real numbers of shape (samples, ..., units). "
                f"Received: {[source.name for source in self.sources]} without one"
            )
        if mask is not None and not self._masked:
            raise ValueError(
                "Expected a mask of samples or of positions that a measured layer has. "
                f"Received: mask={mask!r}, which fits none of {[*self._finished, *self.accumulators]}"
            )

    def _groups(self, data: Any) -> list[Sequence[Source]]:
        """The sources of each pass. What is no array of samples is refused where it is read."""
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
        """Turn the accumulators into results."""
        broken = [name for name, accumulator in self.accumulators.items() if not accumulator.finite]
        if broken:
            raise ValueError(f"Expected finite activations. Received: NaN or infinite values of layers {broken}")
        for name in list(self.accumulators):
            accumulator = self.accumulators.pop(name)
            self._finished[name] = accumulator.result(), accumulator.samples

    def begin(self, y: Any, samples: int | None = None, inputs: Any = None) -> None:
        """Begin a batch with targets `y`. The number of samples is needed where labels are an array."""
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
        """Return what was measured so far."""
        found = dict(self._finished)
        found |= {name: (accumulator.result(), accumulator.samples) for name, accumulator in self.accumulators.items()}
        return CharacteristicsTable(
            {name: values for name, (values, _) in found.items()},
            {name: samples for name, (_, samples) in found.items()},
        )
