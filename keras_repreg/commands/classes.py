"""The names of the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.source import Data
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

# Characters of a name in a legend.
LONGEST = 40


def class_names(given: Sequence[str] | None, data: Data) -> tuple[str, ...] | None:
    """The names of classes 0, 1 ..., from the command line or else from the data; None if there are none.

    Raises:
        Refusal: if the names that are given are not those of the data's classes.
    """
    if given is None:
        return data.class_names
    if data.classes is None:
        raise Refusal(f"--class-names names {len(given)} classes, and {data.name} has no labels that are used")
    ids = [int(k) for k in data.classes if isinstance(k, (int, float, bool)) and float(k).is_integer()]
    if len(ids) != len(data.classes) or not all(0 <= k < len(given) for k in ids):
        found = ", ".join(map(repr, list(data.classes)[:10]))
        raise Refusal(f"--class-names names classes 0 to {len(given) - 1}, and {data.name} has {found}")
    return tuple(given)


def named(classes: NDArray[Any] | None, names: Sequence[str] | None) -> NDArray[Any] | None:
    """The classes as a picture's legend shows them: by name, where they have names."""
    if classes is None or (names is None and classes.dtype.kind not in "US"):
        return classes
    present, indices = np.unique(classes, return_inverse=True)
    if names is None:
        texts = [str(k) for k in present.tolist()]
    else:
        texts = [f"{int(k):0{len(str(len(names)))}d} {names[int(k)]}" for k in present]
    return np.asarray([_plain(text) for text in texts])[indices.reshape(-1)]


def _plain(text: str) -> str:
    """Text in which matplotlib finds no formula, and that it does not leave out of a legend."""
    text = printable(text)[:LONGEST].replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
