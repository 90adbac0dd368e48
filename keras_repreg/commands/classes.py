"""The names of the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.commands.data.source import Data
from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable

# The maximum length of a name in a legend.
LONGEST = 40


def class_names(given: Sequence[str] | None, data: Data) -> tuple[str, ...] | None:
    """Return the names of classes 0, 1 ... from the command line or, by default, from the data, or None.

    Raises:
        Refusal: if the given names do not match the classes of the data.
    """
    if given is None:
        return data.class_names
    if data.classes is None:
        raise Refusal(f"--class-names names {len(given)} classes, but {data.name} has no labels in use")
    ids = [int(k) for k in data.classes if isinstance(k, (int, float, bool)) and float(k).is_integer()]
    if len(ids) != len(data.classes) or not all(0 <= k < len(given) for k in ids):
        found = ", ".join(map(repr, list(data.classes)[:10]))
        raise Refusal(f"--class-names names classes 0 to {len(given) - 1}, but {data.name} has {found}")
    return tuple(given)


def named(classes: NDArray[Any] | None, names: Sequence[str] | None) -> NDArray[Any] | None:
    """Return the classes for the legend of a plot, by name if they have names."""
    if classes is None or (names is None and classes.dtype.kind not in "US"):
        return classes
    present, indices = np.unique(classes, return_inverse=True)
    if names is None:
        texts = [str(k) for k in present.tolist()]
    else:
        texts = [f"{int(k):0{len(str(len(names)))}d} {names[int(k)]}" for k in present]
    return np.asarray([_plain(text) for text in texts])[indices.reshape(-1)]


def _plain(text: str) -> str:
    """Return text that matplotlib neither parses as a formula nor omits from a legend."""
    text = printable(text)[:LONGEST].replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
