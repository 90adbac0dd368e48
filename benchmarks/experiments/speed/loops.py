"""The class-wise penalties for one class at a time, as in the formulas of Table 5, for comparison."""

from collections.abc import Callable
from typing import Any

from keras import ops

# Whether a loop gathers the samples of each class, by its name.
LOOPS = {"masked": False, "gathered": True}
Formula = Callable[[Any, Any], Any]


def covariance(z: Any, inside: Any) -> Any:
    """Return one class's part of cw-CR; `inside` is a column, 1 for its samples and 0 for others."""
    centered, size = _centered(z, inside)
    entries = ops.matmul(ops.transpose(centered), centered) / size
    return ops.sum(ops.square(entries)) - ops.sum(ops.square(ops.diagonal(entries)))


def variance(z: Any, inside: Any) -> Any:
    """Return one class's part of cw-VR."""
    centered, size = _centered(z, inside)
    return ops.sum(ops.square(centered)) / size


def holder(z: Any, inside: Any) -> Any:
    """Return one class's part of cw-RR."""
    # Not `abs`, whose gradient at 0 is 1 on JAX.
    magnitude = ops.sign(z) * z * inside
    # The padding defines the maximum for a class without samples.
    rows = ops.pad(ops.sum(magnitude, axis=1), [[0, 1]])
    bound = ops.max(ops.sum(magnitude, axis=0)) * ops.max(rows)
    return ops.divide_no_nan(ops.sum(ops.square(magnitude)), bound)


def _centered(z: Any, inside: Any) -> tuple[Any, Any]:
    size = ops.maximum(ops.sum(inside), 1)
    return (z - ops.sum(z * inside, axis=0) / size) * inside, size


FORMULAS: dict[str, Formula] = {"cw-CR": covariance, "cw-VR": variance, "cw-RR": holder}


def loop_operations(penalty: str, samples: int, units: int, classes: int, gathered: bool) -> float:
    """Return the operations of a loop including the gradient; without matrix products, those of its passes over Z."""
    rows = samples if gathered else samples * classes
    return 6.0 * rows * units**2 + 20.0 * classes * units**2 if penalty == "cw-CR" else 50.0 * samples * classes * units
