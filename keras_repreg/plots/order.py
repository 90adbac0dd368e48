"""Sort layers by their order in a model, or by the numbers in their names."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def in_order(names: Iterable[str], order: Any = None) -> list[str]:
    """Return names of layers in the order of a model or of a list of names.

    Other names come last, sorted by their numbers: "block_2" before "block_10".

    Raises:
        ValueError: if `order` is neither a model nor a list of names.

    Examples:
        >>> in_order(["block_10", "block_2", "stem"], ["stem"])
        ['stem', 'block_2', 'block_10']
    """
    places: dict[str, int] = {}
    for place, path in enumerate(_paths(order)):
        places.setdefault(path, place)
        places.setdefault(path.rpartition("/")[2], place)

    def key(name: str) -> tuple[float, list[tuple[int, str]]]:
        # A part of an output, such as "backbone/pooled_output", has the position of its layer.
        path = name
        while path not in places and "/" in path:
            path = path.rpartition("/")[0]
        return places.get(path, float("inf")), _natural(name)

    return sorted(names, key=key)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return alternating text and numbers, in a form that compares numbers by size."""
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d{1,15})", name)]


def _paths(order: Any) -> Sequence[str]:
    if order is None:
        return []
    if hasattr(order, "layers"):
        return list(_layers(order))
    if isinstance(order, (list, tuple)) and all(isinstance(name, str) for name in order):
        return order
    raise ValueError(f"Expected `order` to be a model or a list of names of layers. Received: order={order!r}")


def _layers(model: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a model's layers, with each nested model before its layers."""
    for layer in model.layers:
        yield f"{path}{layer.name}"
        if hasattr(layer, "layers"):
            yield from _layers(layer, f"{path}{layer.name}/")
