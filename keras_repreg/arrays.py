"""From tensors of any backend and dtype to float64 arrays, in which all that is reported is computed."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def to_float64(tensor: Any) -> NDArray[np.float64]:
    """A tensor, variable or array in float64. The cast is NumPy's: JAX knows no float64 unless it is told to."""
    if ops.is_tensor(tensor) or isinstance(tensor, keras.Variable):
        if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":  # which NumPy does not know
            tensor = ops.cast(tensor, "float32")
        tensor = ops.convert_to_numpy(tensor)
    return np.asarray(tensor, dtype=np.float64)
