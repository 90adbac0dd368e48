"""Checks of arguments that several parts of the package take. No NumPy is needed for them."""

import math
import numbers
from typing import Any


def positive_integer(value: Any, name: str) -> int:
    """An integer >= 1, of Python or NumPy.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"Expected `{name}` to be an integer >= 1. Received: {name}={value!r}")
    return int(value)


def positive_number(value: Any, name: str) -> float:
    """A finite number above zero, as a float.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 < float(value) < math.inf:
        raise ValueError(f"Expected `{name}` to be a finite number > 0. Received: {name}={value!r}")
    return float(value)
