"""The kind of device that tensors are on, as far as Keras knows."""

from typing import Any

import keras


def on_accelerator(tensor: Any) -> bool:
    """Return whether a tensor is on a GPU or TPU; on TensorFlow and JAX, whether there is one at all."""
    if keras.backend.backend() == "torch":
        return bool(tensor.device.type != "cpu")
    # Traced tensors have no device. Without an argument, GPUs or TPUs are listed if there are any, otherwise CPUs.
    return not all(device.startswith("cpu") for device in keras.distribution.list_devices())
