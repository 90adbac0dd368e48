"""Advice for users without a Keras backend. This module does not import Keras."""

import importlib.util

BACKENDS = ("tensorflow", "jax", "torch")


def advice(error: ModuleNotFoundError) -> str | None:
    """Return a sentence of advice about a missing backend, or None if the missing module is not a backend.

    Args:
        error: The error raised by importing Keras, or a module that needs it.
    """
    if error.name not in BACKENDS:
        return None
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if installed:
        return (
            f"Keras is configured to use the backend {error.name}, which is not installed. Installed: "
            f"{', '.join(installed)}; set the environment variable KERAS_BACKEND={installed[0]} before Keras is "
            "imported"
        )
    return (
        "Keras needs a backend, and none is installed: `pip install 'keras-repreg[tensorflow-cpu]'` installs one, as "
        "do [tensorflow], [jax] and [torch]. To use a backend other than TensorFlow, set the environment variable "
        "KERAS_BACKEND"
    )
