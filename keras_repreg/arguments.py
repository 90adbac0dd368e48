"""Checks of arguments that several parts of the package share. They do not need NumPy."""

import math
import numbers
import sys
from collections.abc import Sequence
from typing import Any


def positive_integer(value: Any, name: str) -> int:
    """Return a Python or NumPy integer >= 1 as an int.

    Raises:
        ValueError: if it is not one.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not 1 <= int(value) <= sys.maxsize:
        raise ValueError(f"Expected `{name}` to be an integer >= 1. Received: {name}={value!r}")
    return int(value)


def positive_number(value: Any, name: str) -> float:
    """Return a finite number above zero as a float.

    Raises:
        ValueError: if it is not one.
    """
    # Check the converted float: an integer can overflow, a fraction underflow.
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 < as_float(value) < math.inf:
        raise ValueError(f"Expected `{name}` to be a finite number > 0. Received: {name}={value!r}")
    return float(value)


def as_float(value: Any) -> float:
    """Return a number as a float, or infinity if it overflows."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def one_of(value: Any, options: Sequence[str | None], name: str) -> Any:
    """Return a string or None that is one of the options.

    Raises:
        ValueError: if it is not one of them.
    """
    if not isinstance(value, (str, type(None))) or value not in options:
        raise ValueError(f"Expected `{name}` to be one of {options}. Received: {name}={value!r}")
    return value
