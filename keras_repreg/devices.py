"""What kind of machine tensors are on, as far as Keras tells."""

from typing import Any

import keras


def on_accelerator(tensor: Any) -> bool:
    """Whether a tensor is on a GPU or TPU; on TensorFlow and JAX, whose traced tensors are nowhere, if there is one."""
    if keras.backend.backend() == "torch":
        return bool(tensor.device.type != "cpu")
    # Without an argument these are the GPUs or TPUs where there are some, and else the CPUs.
    return not all(device.startswith("cpu") for device in keras.distribution.list_devices())
