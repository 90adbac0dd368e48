"""Start Keras's backend with a given number of threads and without start-up messages."""

import contextlib
import importlib.util
import os
import sys

from benchmarks.quiet import quiet

# The backends with a compiled epoch, and the packages whose versions are recorded.
PACKAGES = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax", "jaxlib")}


def name() -> str:
    """Return the backend that KERAS_BACKEND names, or TensorFlow."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def checked(chosen: str) -> str:
    """Return the name of a backend.

    Raises:
        ValueError: if networks cannot be trained on it, or it is not installed.
    """
    if chosen not in PACKAGES:
        raise ValueError(f"Expected KERAS_BACKEND to be one of {tuple(PACKAGES)}. Received: {chosen!r}")
    if importlib.util.find_spec(chosen) is None:
        raise ValueError(f"Expected the backend that KERAS_BACKEND names to be installed. Received: {chosen!r}")
    return chosen


def start(threads: int) -> None:
    """Import the backend and set its number of threads, unless it has already started.

    Raises:
        ValueError: if networks cannot be trained on it, or Keras already runs on another backend in this process.
    """
    os.environ["KERAS_BACKEND"] = checked(name())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    starting = {"tensorflow": _start_tensorflow, "jax": _start_jax}[name()]
    with quiet():
        starting(threads)
        import keras
    if keras.backend.backend() != name():
        raise ValueError(f"Expected Keras on {name()}, as KERAS_BACKEND says. Received: {keras.backend.backend()!r}")


def _start_tensorflow(threads: int) -> None:
    import tensorflow as tf

    # TensorFlow would warn that each run traces a new function.
    tf.get_logger().setLevel("ERROR")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        # Several processes share a GPU.
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
    # The first operation starts the devices, which print messages.
    tf.zeros(())


def _start_jax(threads: int) -> None:
    # Several processes share a GPU; by default JAX preallocates three quarters of its memory in each.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    flags = os.environ.get("XLA_FLAGS", "")
    if threads == 1 and "xla_cpu_multi_thread_eigen" not in flags:
        # XLA has no flag for the number of threads, only for one thread or one per core.
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    import jax

    jax.numpy.zeros(()).block_until_ready()
    # TensorFlow reads the data, and Keras imports it if installed. It must leave the GPU's memory to JAX.
    with contextlib.suppress(ImportError, RuntimeError):
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")


def accelerators() -> list[str]:
    """Return the names of the GPUs (with JAX, also TPUs) of the current backend."""
    chosen = name()
    if chosen == "jax" and "jax" in sys.modules:
        return [device.device_kind for device in sys.modules["jax"].devices() if device.platform != "cpu"]
    if chosen == "tensorflow" and "tensorflow" in sys.modules:
        config = sys.modules["tensorflow"].config
        found = [config.experimental.get_device_details(gpu) for gpu in config.get_visible_devices("GPU")]
        return [details.get("device_name", "GPU") for details in found]
    return []
