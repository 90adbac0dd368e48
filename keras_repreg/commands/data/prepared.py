"""Data sets prepared by TensorFlow Datasets on this machine; nothing is downloaded."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_repreg.commands.data.inputs import LABELS, ModelInputs, check_shape, match
from keras_repreg.commands.data.source import Batch, Data, Source, classes_of
from keras_repreg.commands.refusal import Refusal

NAME = re.compile(r"[a-z0-9_]+(/[A-Za-z0-9_.-]+)?(:\d+\.\d+\.\d+)?")
SPLITS = ("test", "validation", "train")


class Prepared(Source):
    """`tfds:NAME`: the test split or, if missing, the validation or training split; `tfds:NAME@SPLIT` for another."""

    def __init__(self, text: str):
        self._identifier, _, self._split = text.partition("@")
        if not NAME.fullmatch(self._identifier):
            raise Refusal(f"expected a name such as tfds:mnist or tfds:cifar10@train, received {text!r}")
        self.name = f"tfds:{text}"
        self._taken: dict[str, str] = {}
        self._labels: str | None = None
        self._inputs = ModelInputs(None)
        self._shapes: dict[str, Any] = {}
        self._builder: Any = None

    def fit(self, inputs: ModelInputs) -> float:
        self._inputs = inputs
        self._builder = _builder(self._identifier, self.name)
        splits = self._builder.info.splits
        if not splits:
            raise Refusal(
                f"{self.name} is not prepared in {self._builder.data_dir}; prepare it with `tfds build` or `tfds.load`"
            )
        self._split = self._split or next((s for s in SPLITS if s in splits), next(iter(splits)))
        if self._split not in splits:
            raise Refusal(f"{self.name} has the splits {', '.join(splits)}, but not {self._split!r}")
        features = dict(self._builder.info.features.items())
        names = list(features)
        supervised = self._builder.info.supervised_keys
        if supervised and supervised[1] in features and supervised[1] not in LABELS:
            names = [name for name in names if name != supervised[1]]
        self._taken, self._labels = match(inputs, _numeric(features, names), self.name)
        self._labels = supervised[1] if supervised and supervised[1] in features else self._labels
        by_name = {i.name: i for i in (inputs.inputs or inputs.required)}
        for key, name in self._taken.items():
            shape = (1, *(n or 0 for n in features[name].shape))
            if None in features[name].shape:
                raise Refusal(f"{name} in {self.name} has shape {features[name].shape}; expected a fixed size")
            self._shapes[key] = check_shape(shape, by_name[key], self.name, reshape=True)
        return 0.0

    def read(self, *, labels: bool, divide_by: float | None) -> Data:
        info = self._builder.info
        target = info.features[self._labels] if labels and self._labels is not None else None
        notes, names = [], getattr(target, "names", None)
        known = target is not None and getattr(target, "num_classes", None) is not None
        if target is not None and not known:
            notes.append(f"the targets of {self.name} are not classes and are ignored: {type(target).__name__}")

        def batches(batch_size: int) -> Iterator[Batch]:
            dataset = self._builder.as_dataset(split=self._split, batch_size=batch_size, shuffle_files=False)
            for batch in _package(self.name).as_numpy(dataset):
                arrays = {}
                for key, name in self._taken.items():
                    array = batch[name].reshape(-1, *self._shapes[key][1:])
                    arrays[key] = array if not divide_by else (array / divide_by).astype(np.float32)
                yield self._inputs.arranged(arrays), classes_of(batch[self._labels], self.name)[0] if known else None

        classes = range(target.num_classes) if target is not None and known else None
        samples = info.splits[self._split].num_examples
        return Data(self.name, samples, batches, classes, tuple(names) if known and names else None, notes)


def _numeric(features: dict[str, Any], names: list[str]) -> list[str]:
    return [
        name for name in names if getattr(features[name], "shape", None) is not None and _is_numeric(features[name])
    ]


def _is_numeric(feature: Any) -> bool:
    try:
        return np.dtype(feature.np_dtype).kind in "biuf"
    except (AttributeError, TypeError):
        return False


def _package(name: str) -> Any:
    try:
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise Refusal(f"{name} needs `pip install tensorflow-datasets tensorflow-cpu` ({error})") from error


def _builder(identifier: str, name: str) -> Any:
    package = _package(name)
    try:
        return package.builder(identifier, try_gcs=False)
    except Exception as error:  # many kinds: no such data set, no such version, a missing package
        raise Refusal(f"{name}: {(str(error).strip().splitlines() or ['no such data'])[0][:200]}") from error
