"""From tensors of any backend and dtype to float64 arrays, in which all that is reported is computed."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def to_numpy(tensor: Any) -> NDArray[Any]:
    """A tensor, variable or array as an array of the same dtype, of bfloat16, which NumPy does not know, in float32."""
    if ops.is_tensor(tensor) or isinstance(tensor, keras.Variable):
        if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
            tensor = ops.cast(tensor, "float32")
        tensor = ops.convert_to_numpy(tensor)
    return np.asarray(tensor)


def to_float64(tensor: Any) -> NDArray[np.float64]:
    """A tensor, variable or array in float64. The cast is NumPy's: JAX knows no float64 unless it is told to.

    Raises:
        ValueError: if it does not hold real numbers.
    """
    try:
        array = to_numpy(tensor)
        if array.dtype.kind == "c":
            raise TypeError
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"Expected an array of real numbers. Received: {tensor!r}") from None
