"""The layers and characteristics that a command line names."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_repreg.activations import Source
from keras_repreg.characteristics import select_layers
from keras_repreg.characteristics.definitions import CHARACTERISTICS, select
from keras_repreg.commands.refusal import Refusal

# Names that are listed where none is near.
LISTED = 8


def chosen_layers(model: Any, names: Sequence[str] | None) -> list[Source]:
    """The layers of these names or paths; the hidden ones for None.

    Raises:
        Refusal: if there is no such layer, with the names that come nearest.
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
    """The characteristics of these names; those of Table 1 for None, and all for "all".

    Raises:
        Refusal: if there is no such characteristic, or it needs labels and there are none.
    """
    for name in names or ():
        if name not in CHARACTERISTICS and list(names or ()) != ["all"]:
            raise Refusal(f"there is no characteristic {name!r}; {_nearest(name, list(CHARACTERISTICS))}")
    try:
        return tuple(select("all" if list(names or ()) == ["all"] else names, labelled=labelled))
    except (TypeError, ValueError) as error:
        raise Refusal(error) from error


def reported_characteristics(*, labelled: bool) -> tuple[str, ...]:
    """All that a report lists: every characteristic that needs no matrix for each class."""
    every = select("all", labelled=labelled)
    return tuple(name for name in every if not any(need.startswith("class ") for need in CHARACTERISTICS[name].needs))


def _names(model: Any, path: str = "") -> Iterator[str]:
    """The names of layers, those within nested models as paths."""
    for layer in getattr(model, "layers", ()):
        yield f"{path}{layer.name}"
        yield from _names(layer, f"{path}{layer.name}/")


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"the nearest: {', '.join(map(repr, near))}"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"there are {', '.join(map(repr, known[:LISTED]))}{more}"
