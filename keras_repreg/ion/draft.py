"""New values of weights: computed in float64, rounded once, and kept only if the model's outputs do not change."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg.arrays import to_float64
from keras_repreg.ion.maps import Array
from keras_repreg.ion.probing import Probes, tolerance_of
from keras_repreg.ion.training_effects import warn_of_training_effects


class Draft:
    """New values of variables, in float64 until they are written."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[Any, Any, Array]] = {}
        self._moved: list[Any] = []
        self._old: list[tuple[Any, Any]] = []

    def copy(self) -> "Draft":
        """Return another draft with the same values."""
        other = Draft()
        other.take(self)
        return other

    def take(self, other: "Draft") -> None:
        """Adopt the values of another draft."""
        self._values, self._moved = dict(other._values), list(other._moved)

    def value(self, variable: Any) -> Array:
        """Return the current value."""
        return self._values[id(variable)][2] if id(variable) in self._values else to_float64(variable)

    def set(self, layer: Any, variable: Any, value: Array) -> None:
        """Set a new value of a layer's variable."""
        self._values[id(variable)] = (layer, variable, value)
        rounded = _rounded(variable, value)
        with np.errstate(over="ignore", invalid="ignore"):
            computed = to_float64(ops.cast(rounded.astype(np.float32), layer.compute_dtype))
        if layer.compute_dtype == "float64":
            computed = rounded
        if not (np.isfinite(rounded).all() and np.isfinite(computed).all()):
            raise ValueError(
                f"Expected weights within the range of {layer.compute_dtype}, in which layer '{layer.name}' computes. "
                f"Received: values up to {np.abs(value).max(initial=0):.3g}"
            )

    def move(self, operations: Iterable[Any]) -> None:
        """Record operations whose outputs will change."""
        self._moved += operations

    def write(self) -> None:
        """Write all values and keep the old ones."""
        self._old = [(variable, _exact(variable)) for _, variable, _ in self._values.values()]
        for _, variable, value in self._values.values():
            variable.assign(_cast(variable, value))

    def restore(self) -> None:
        """Write the old values."""
        for variable, value in self._old:
            variable.assign(value)

    def commit(
        self,
        model: keras.Model,
        original: keras.Model,
        watched: Sequence[str] = (),
        *,
        probe: Any = None,
        random: bool = True,
        tolerance: float | None = None,
        order_only: bool = False,
        stacklevel: int = 2,
    ) -> float:
        """Write all values, and keep them only if the model's outputs match those of the original.

        Args:
            model: The model that owns the variables.
            original: The same model, or the model that it was copied from.
            watched: Names of layers whose outputs are also compared.
            probe: Inputs from data, on which the outputs are also compared.
            random: Whether to compare outputs on random inputs.
            tolerance: See `transform`.
            order_only: Whether units are only permuted.
            stacklevel: The stack level of the warning about training; by default the caller of the caller.

        Returns:
            The largest change of an output.

        Raises:
            RuntimeError: if an output changed by more than the tolerance; the weights are restored.
        """
        limit = tolerance_of(original, tolerance)
        probes = Probes(original, probe, watched, random=random)
        try:
            self.write()
            change = probes.change(model)
            if not change <= limit:
                raise RuntimeError(
                    f"The output changed by {change:.2g}, relative to its largest magnitude: more than the tolerance "
                    f"of {limit:.2g}. The weights have been restored."
                )
        except BaseException:
            self.restore()
            raise
        changed = [(layer, variable) for layer, variable, _ in self._values.values()]
        warn_of_training_effects(changed, self._moved, order_only=order_only, stacklevel=stacklevel + 1)
        return change


def _rounded(variable: Any, value: Array) -> Array:
    """Return the value rounded to the dtype of the variable."""
    return to_float64(_cast(variable, value))


def _cast(variable: Any, value: Array) -> Any:
    dtype = keras.backend.standardize_dtype(variable.dtype)
    with np.errstate(over="ignore"):
        if dtype == "bfloat16":
            return ops.cast(value.astype(np.float32), dtype)
        return value.astype(dtype)


def _exact(variable: Any) -> Any:
    """Return an exact copy of the value."""
    return ops.copy(ops.convert_to_tensor(variable))
