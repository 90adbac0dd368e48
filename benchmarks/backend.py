"""Starts TensorFlow for a run: with a given number of threads, and without its start-up messages."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Holds back what native code writes to stderr, which no log level reaches; shown if there is an exception."""
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def start(threads: int) -> None:
    """Import TensorFlow, to compute with so many threads; no effect on threads where it is in use already."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _quiet_start():
        import tensorflow as tf

        # Each run traces a function of its own, which TensorFlow would warn of.
        tf.get_logger().setLevel("ERROR")
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        # The first operation starts the devices, with messages of their own.
        tf.zeros(())
        import keras  # noqa: F401
