"""A folder of images, with one subfolder per class, read batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_repreg.commands.data.image_size import image_size
from keras_repreg.commands.data.inputs import ModelInputs, shown
from keras_repreg.commands.data.source import Batch, Data, Source
from keras_repreg.commands.refusal import Refusal

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
COLOURS = {1: "grayscale", 3: "rgb", 4: "rgba"}
# The maximum number of values of an image before it is resized; photographs are smaller.
LARGEST_IMAGE = 2**29


class Images(Source):
    """A folder as for `keras.utils.image_dataset_from_directory`, with the images of each class in a subfolder."""

    def __init__(self, folder: Path):
        self.name = f"the images in {folder}"
        self._folder = folder
        self._classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        self._files = 0
        largest = 0
        for path in self._paths():
            size = image_size(path)
            if size is None:
                raise Refusal(f"{path} is not a PNG, JPEG, GIF or BMP image")
            largest = max(largest, size[0] * size[1] * 4)
            if largest > LARGEST_IMAGE:
                raise Refusal(f"{path} is an image of {size[1]:,} x {size[0]:,} pixels, which is too large")
            self._files += 1
        if not self._files:
            raise Refusal(f"{folder} contains neither the MNIST files nor one folder of images per class")
        self._largest = largest
        self._shape: tuple[int, ...] = ()
        self._inputs = ModelInputs(None)

    def fit(self, inputs: ModelInputs) -> float:
        taken = inputs.only(self.name)
        if len(taken.shape) != 4 or None in taken.shape[1:] or taken.shape[3] not in COLOURS:
            raise Refusal(
                f"the model takes inputs of shape {shown(taken.shape)}; images are (N, height, width, 1, 3 or 4)"
            )
        self._shape, self._inputs = tuple(int(n or 0) for n in taken.shape[1:]), inputs
        # A few decoded images are buffered.
        return 16.0 * self._largest

    def read(self, *, labels: bool, divide_by: float | None) -> Data:
        def batches(batch_size: int) -> Iterator[Batch]:
            for x, y in self._dataset(batch_size):
                array = np.asarray(x, np.float32) if not divide_by else np.asarray(x, np.float32) / divide_by
                arrays = {self._inputs.required[0].name: array}
                yield self._inputs.arranged(arrays), np.asarray(y) if labels else None

        classes = tuple(self._classes) if labels else None
        return Data(self.name, self._files, batches, None if classes is None else range(len(classes)), classes)

    def _paths(self) -> Iterator[Path]:
        for name in self._classes:
            yield from sorted(
                p for p in (self._folder / name).rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()
            )

    def _dataset(self, batch_size: int) -> Any:
        import keras

        try:
            return keras.utils.image_dataset_from_directory(
                str(self._folder),
                batch_size=batch_size,
                image_size=self._shape[:2],
                color_mode=COLOURS[self._shape[2]],
                class_names=self._classes,
                shuffle=False,
                verbose=False,
            )
        except (ImportError, ValueError) as error:
            raise Refusal(f"{self.name} cannot be read: {error}") from error
