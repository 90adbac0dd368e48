"""Measure layers in bounded memory: as many layers per pass over the data as memory allows."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.activations import Source, forward_pass
from keras_repreg.characteristics import Characteristics
from keras_repreg.characteristics.collection import Collection
from keras_repreg.commands import memory, planning
from keras_repreg.commands.data.source import Data
from keras_repreg.commands.model import packed
from keras_repreg.commands.planning import Plan, Shape
from keras_repreg.commands.progress import Progress
from keras_repreg.commands.refusal import Refusal
from keras_repreg.rows import channel_axis, kept_rows, rows_of


@dataclass(frozen=True)
class Held:
    """Activations of some samples, (samples, positions, channels), the mask of positions, and the classes."""

    z: NDArray[Any]
    kept: NDArray[np.bool_]
    classes: NDArray[Any] | None

    @classmethod
    def empty(cls, samples: int, z: NDArray[Any], classes: NDArray[Any] | None) -> "Held":
        """Allocate space for a number of samples like these."""
        return cls(
            np.empty((samples, *z.shape[1:]), z.dtype),
            np.empty((samples, z.shape[1]), bool),
            None if classes is None else np.empty((samples, *classes.shape[1:]), classes.dtype),
        )

    def fill(self, part: slice, z: NDArray[Any], kept: NDArray[np.bool_], classes: NDArray[Any] | None) -> None:
        """Set some of the samples."""
        self.z[part], self.kept[part] = z, kept
        if self.classes is not None:
            self.classes[part] = classes


@dataclass(frozen=True)
class LayerMeasurement:
    """The measurements of one layer."""

    name: str
    accumulator: Characteristics
    held: Held | None


def stream(
    model: Any, data: Data, sources: Sequence[Source], plan: Plan, progress: Progress
) -> Iterator[LayerMeasurement]:
    """Yield the measurements of the layers in order; release each one before requesting the next.

    Raises:
        Refusal: if the model fails on the data, or activations are not finite.
    """
    try:
        with _refusing(data):
            shapes = _shapes(model, data, sources)
        available = memory.free() or planning.UNKNOWN
        batch_size = plan.batch_size or planning.batch_size_of(model, shapes, available)
        groups = planning.groups_of(sources, shapes, plan, plan.share * available)
        progress.expect(batch=len(groups) * -(-data.samples // batch_size), layer=len(sources))
        for group in groups:
            taken = _Group(model, group, data, plan, progress)
            with _refusing(data):
                taken.fill(batch_size)
            yield from taken.measurements()
    finally:
        progress.end()


class _refusing:  # noqa: N801 - used as a function
    """Converts errors that the model raises on unsuitable data into refusals."""

    def __init__(self, data: Data):
        self._name = data.name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, (Refusal, MemoryError)):
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise Refusal(f"the model fails on {self._name}: {text}") from error


class _Group:
    """The layers of one pass, with their accumulators and the activations of some samples."""

    def __init__(self, model: Any, sources: Sequence[Source], data: Data, plan: Plan, progress: Progress):
        labels = None if data.classes is None else True
        self._collection = Collection(
            sources, labels, plan.names, plan.units, all_layers=plan.all_layers, chance=plan.chance,
            moments=plan.samples > 0, model=model,
        )  # fmt: skip
        self._model, self._sources, self._data, self._plan, self._progress = model, sources, data, plan, progress
        self._chosen: dict[str, NDArray[np.bool_]] = {}
        self._held: dict[str, Held] = {}
        self._filled: Counter[str] = Counter()
        self._in_batch: set[str] = set()
        self._classes: Any = None
        self._start = self._samples = 0

    def fill(self, batch_size: int) -> None:
        """Add the activations of one pass over the data."""
        forward_pass(self._model, self._batches(batch_size), self._sources, self._begin, self._receive,
                     batch_size=batch_size)  # fmt: skip
        if self._start + self._samples != self._data.samples:
            raise Refusal(
                f"{self._data.name} has {self._start + self._samples:,} samples, not {self._data.samples:,} as it says"
            )

    def measurements(self) -> Iterator[LayerMeasurement]:
        """Yield the measurements layer by layer.

        Raises:
            Refusal: if activations are not finite.
        """
        accumulators = self._collection.accumulators
        broken = [name for name, accumulator in accumulators.items() if not accumulator.finite]
        if broken:
            raise Refusal(f"activations are NaN or infinite in layers {', '.join(broken)}")
        for name in list(accumulators):
            yield LayerMeasurement(name, accumulators.pop(name), self._held.pop(name, None))
            self._progress.step("layer", f"layer {name}")

    def _batches(self, batch_size: int) -> Iterator[tuple[Any, Any]]:
        total, layers = self._data.samples, len(self._sources)
        for number, (x, classes) in enumerate(self._data.batches(batch_size)):
            if number:
                done = min(number * batch_size, total)
                self._progress.step("batch", f"{self._data.name}: {done:,} of {total:,} samples, {layers} layers")
            yield packed(self._model, x), classes
        self._progress.step("batch", f"{self._data.name}: {total:,} samples, {layers} layers")

    def _begin(self, classes: Any, samples: int, inputs: Any) -> None:
        self._collection.begin(classes, samples)
        self._start += self._samples
        self._samples, self._classes = samples, classes
        self._in_batch.clear()

    def _receive(self, name: str, layer: Any, output: Any, mask: Any) -> None:
        rows = self._collection.receive(name, layer, output, mask)
        # Plots show the first call of a layer that is called several times.
        if rows is None or not self._plan.samples or name in self._in_batch:
            return
        self._in_batch.add(name)
        shape, axis = tuple(output.shape), channel_axis(layer)
        every = self._chosen_samples(name, shape)
        chosen = every[self._start : self._start + self._samples]
        if not chosen.any():
            return
        channels = rows_of(output, "channels", axis)
        z = channels.reshape(self._samples, -1, channels.shape[1])[chosen]
        kept = kept_rows(mask, shape, "channels", axis)
        kept = np.ones(z.shape[:2], bool) if kept is None else kept.reshape(self._samples, -1)[chosen]
        if not kept.all():
            z[~kept] = 0
        classes = None if self._classes is None else np.asarray(self._classes)[chosen]
        if name not in self._held:
            self._held[name] = Held.empty(int(np.count_nonzero(every)), z, classes)
        part = slice(self._filled[name], self._filled[name] + len(z))
        self._filled[name] += len(z)
        self._held[name].fill(part, z, kept, classes)

    def _chosen_samples(self, name: str, shape: Shape) -> NDArray[np.bool_]:
        """Return which samples are held: as many as requested, or as fit into memory."""
        if name not in self._chosen:
            most = max(planning.HELD // max(4 * math.prod(shape[1:]), 1), 2)
            number = min(self._plan.samples, self._data.samples, most)
            chosen = np.zeros(self._data.samples, bool)
            chosen[np.random.default_rng(0).choice(len(chosen), number, replace=False)] = True
            self._chosen[name] = chosen
        return self._chosen[name]


def _shapes(model: Any, data: Data, sources: Sequence[Source]) -> dict[str, list[Shape]]:
    """Return the output shapes of the layers for one sample, per call and part, by the names of the sources."""
    x, classes = next(data.batches(1))
    found: dict[int, list[Shape]] = {}

    def receive(name: str, layer: Any, output: Any, mask: Any) -> None:
        found.setdefault(id(layer), []).append(tuple(output.shape[1:]))

    def begin(*args: Any) -> None:
        pass

    forward_pass(model, iter([(packed(model, x), classes)]), sources, begin, receive, batch_size=1)
    return {source.name: found.get(id(source.layer), []) for source in sources}
