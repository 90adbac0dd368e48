"""Colours, markers and dashes: layers by depth, and categories by a palette for all kinds of colour vision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.plots import canvas

# The palette of Okabe and Ito (2008) without yellow, which is too light for thin lines on white, and three darker
# colours that remain distinguishable with deuteranopia, protanopia and tritanopia.
CATEGORIES = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#952a00", "#6f2a6f", "#3333bb",
)  # fmt: skip
OTHERS = "#999999"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# Dashes for estimates of the same number: the value, its bounds, and its value at chance.
DASHES: dict[str, Any] = {"value": "-", "upper": "--", "lower": (0, (1, 1.2)), "chance": (0, (4, 1.5, 1, 1.5))}
# Perceptually uniform; the light end is invisible on white.
DEPTH_MAP, LIGHTEST = "plasma", 0.8


def by_depth(number: int) -> list[tuple[float, ...]]:
    """Return the colours of `number` layers, from the first (dark) to the last (light)."""
    scale = canvas.matplotlib().colormaps[DEPTH_MAP]
    return [tuple(scale(LIGHTEST * i / max(number - 1, 1))) for i in range(number)]


def of_categories(number: int) -> list[Any]:
    """Return `number` distinguishable colours; beyond ten they are sampled from a colour map."""
    return list(CATEGORIES[:number]) if number <= len(CATEGORIES) else by_depth(number)


def marker(index: int) -> str:
    """Return the marker for the colour of this index."""
    return MARKERS[index % len(MARKERS)]


def most_frequent(classes: NDArray[np.intp], names: Sequence[str]) -> tuple[NDArray[np.intp], list[str], list[str]]:
    """Return the classes to draw, with names and colours: at most ten, of which the last may be "others".

    Args:
        classes: The index of each sample's class, shape (N,).
        names: The names of the classes.
    """
    if len(names) <= len(CATEGORIES):
        return classes, list(names), list(CATEGORIES[: len(names)])
    kept = len(CATEGORIES) - 1
    counts = np.bincount(classes, minlength=len(names))
    chosen = np.sort(np.argsort(-counts, kind="stable")[:kept])
    drawn = np.full(len(names), kept)
    drawn[chosen] = np.arange(kept)
    shown = [*(names[k] for k in chosen), f"{len(names) - kept} others"]
    return drawn[classes], shown, [*CATEGORIES[:kept], OTHERS]
