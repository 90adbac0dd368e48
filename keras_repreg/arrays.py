"""Convert tensors of any backend and dtype to NumPy arrays; all reported values are computed in float64."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor, variable or array as an array of the same dtype, or of float32 for bfloat16.

    Raises:
        ValueError: if it is a list whose entries differ in shape.
    """
    if ops.is_tensor(tensor) or isinstance(tensor, keras.Variable):
        if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
            tensor = ops.cast(tensor, "float32")
        tensor = ops.convert_to_numpy(tensor)
    try:
        return np.asarray(tensor)
    except ValueError:
        raise ValueError(f"Expected an array, or nested lists of equal lengths. Received: {tensor!r}") from None


def to_float64(tensor: Any) -> NDArray[np.float64]:
    """Return a tensor, variable or array in float64, cast by NumPy since JAX has no float64 by default.

    Raises:
        ValueError: if it does not hold real numbers.
    """
    try:
        array = to_numpy(tensor)
        if array.dtype.kind in "cSU":
            raise TypeError
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Expected an array of real numbers. Received: {tensor!r}") from None
