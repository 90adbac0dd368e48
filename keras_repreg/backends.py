"""What to say where Keras finds no backend. Nothing of Keras is imported here."""

import importlib.util

BACKENDS = ("tensorflow", "jax", "torch")


def advice(error: ModuleNotFoundError) -> str | None:
    """What to do about a module that was not found, in a sentence; None if it is no backend.

    Args:
        error: What importing Keras, or something that needs it, has raised.
    """
    if error.name not in BACKENDS:
        return None
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if installed:
        return (
            f"Keras wants the backend {error.name}, which is not installed. Installed: {', '.join(installed)}; set the "
            f"environment variable KERAS_BACKEND={installed[0]} before Keras is imported"
        )
    return (
        "Keras needs a backend, and none is installed: `pip install 'keras-repreg[tensorflow-cpu]'` brings one, as do "
        "[tensorflow], [jax] and [torch]; other backends than TensorFlow are chosen by the environment variable "
        "KERAS_BACKEND"
    )
