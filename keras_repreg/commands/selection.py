"""Select the layers and characteristics named on the command line."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_repreg.activations import Source
from keras_repreg.characteristics import select_layers
from keras_repreg.characteristics.definitions import CHARACTERISTICS, select
from keras_repreg.commands.refusal import Refusal

# The number of names listed if none is similar.
LISTED = 8


def chosen_layers(model: Any, names: Sequence[str] | None) -> list[Source]:
    """Return the layers with these names or paths, or the hidden layers for None.

    Raises:
        Refusal: if there is no such layer, with the most similar names.
    """
    try:
        return list(select_layers(model, None if names is None else list(names)))
    except (TypeError, ValueError) as error:
        known = list(dict.fromkeys(_names(model)))
        for name in names or ():
            if name not in known:
                raise Refusal(f"{model.name} has no layer {name!r}; {_nearest(name, known)}") from error
        raise Refusal(error) from error


def chosen_characteristics(names: Sequence[str] | None, *, labelled: bool) -> tuple[str, ...]:
    """Return the characteristics with these names, those of Table 1 for None, or all for "all".

    Raises:
        Refusal: if there is no such characteristic, or labels are required and missing.
    """
    for name in names or ():
        if name not in CHARACTERISTICS and list(names or ()) != ["all"]:
            raise Refusal(f"there is no characteristic {name!r}; {_nearest(name, list(CHARACTERISTICS))}")
    try:
        return tuple(select("all" if list(names or ()) == ["all"] else names, labelled=labelled))
    except (TypeError, ValueError) as error:
        raise Refusal(error) from error


def reported_characteristics(*, labelled: bool) -> tuple[str, ...]:
    """Return the characteristics in a report: all that need no matrix per class."""
    every = select("all", labelled=labelled)
    return tuple(name for name in every if not any(need.startswith("class ") for need in CHARACTERISTICS[name].needs))


def _names(model: Any, path: str = "") -> Iterator[str]:
    """Yield the names of layers, with paths for layers in nested models."""
    for layer in getattr(model, "layers", ()):
        yield f"{path}{layer.name}"
        yield from _names(layer, f"{path}{layer.name}/")


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"similar names: {', '.join(map(repr, near))}"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"known names: {', '.join(map(repr, known[:LISTED]))}{more}"
