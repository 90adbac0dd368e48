"""The factor of a layer's loss weight, which can change without compiling functions again."""

import contextlib
import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg.arguments import as_float

Tensor = Any


class WeightFactor:
    """The factor of a layer's loss weight: the constant 1 until `make_variable` is called.

    A compiled function keeps the value that a Python number had during tracing, but reads a variable in every step. The
    variable is part of the layer's state, like the seed of a Dropout: it is in `layer.variables`, but not in its
    weights or parameter count. It is saved with the layer, so that a copy has the same loss.

    `WeightSchedule` takes care of this. In a custom loop, call `layer.weight_factor.make_variable()` before the first
    step, and `layer.weight_factor.assign(0.5)` between steps.
    """

    def __init__(self) -> None:
        self._variable: keras.Variable | None = None
        self._traced_as_number = False

    @property
    def variables(self) -> list[keras.Variable]:
        """The variable, if it has been made."""
        return [] if self._variable is None else [self._variable]

    @property
    def value(self) -> float:
        """The factor."""
        return 1.0 if self._variable is None else float(ops.convert_to_numpy(self._variable))

    def make_variable(self, strategy: Any = None, scope: str = "penalty") -> bool:
        """Make the variable unless it exists, and return whether functions may have been compiled without it.

        Args:
            strategy: The `tf.distribute` strategy of the model, if it has one.
            scope: A name for the layer that keeps the path of its variable unique.
        """
        stale, self._traced_as_number = self._traced_as_number or self._variable is None, False
        self._create(strategy, scope)
        return stale

    def restore(self, value: float, scope: str) -> None:
        """Set the factor to a value loaded from a file."""
        if self._variable is None:
            self._create(None, scope)
            if value != 1 and self._traced_as_number and keras.backend.backend() == "tensorflow":
                warnings.warn(
                    f"The weight factor {value:g} loaded for '{scope}' has no effect in functions that are already "
                    "compiled: call `compile` again.",
                    stacklevel=2,
                )
        self.assign(value)

    def _create(self, strategy: Any, scope: str) -> None:
        if self._variable is not None:
            return
        with strategy.scope() if strategy is not None else contextlib.nullcontext(), variable_scope(scope):
            # In half precision the factor would be rounded.
            self._variable = keras.Variable(
                1.0,
                trainable=False,
                dtype="float32",
                autocast=False,
                aggregation="only_first_replica",
                name="weight_factor",
            )

    def assign(self, value: float) -> None:
        """Set the factor.

        Raises:
            TypeError: if `value` is not a number.
            ValueError: if it is negative, infinite or NaN, or no variable has been made.
        """
        value = checked_factor(value, "value")
        if self._variable is None:
            raise ValueError(
                "Expected `make_variable()` to be called first, and functions that are already compiled to be "
                f"compiled again. Received: value={value!r}"
            )
        self._variable.assign(value)

    def times(self, weight: float, omega: Tensor) -> Tensor:
        """Return weight * factor * omega, in the dtype of omega."""
        if self._variable is None:
            self._traced_as_number = True
            return weight * omega
        return weight * ops.cast(self._variable, omega.dtype) * omega


def variable_scope(layer: str) -> Any:
    """Return a context in which variable paths start with the layer's path."""
    return keras.name_scope(layer.replace("/", "_").replace(".", "_"))


def checked_factor(value: Any, name: str) -> float:
    """Return `value` as a float.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is negative, infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"Expected `{name}` to be a number. Received: {name}={value!r}")
    if not 0 <= as_float(value) < math.inf:
        raise ValueError(f"Expected `{name}` to be finite and >= 0. Received: {name}={value!r}")
    return float(value)
