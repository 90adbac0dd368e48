"""Write characteristics, histograms and spectra to an event file for TensorBoard."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.callbacks.histogram import Histogram

# TensorBoard's enumeration of data classes.
_SCALAR, _TENSOR = 1, 2


class EventFile:
    """Writes an event file with `tf.summary`; TensorBoard itself need not be installed.

    Args:
        folder: The folder of the event file, created if necessary.

    Raises:
        ImportError: if TensorFlow is not installed.
    """

    def __init__(self, folder: Any):
        try:
            self._tf = importlib.import_module("tensorflow")
        except ImportError as error:
            raise ImportError(
                "`log_dir` requires TensorFlow to write the event file: `pip install 'keras-repreg[tensorflow]'`. "
                f"Received: {error}"
            ) from error
        self._writer = self._tf.summary.create_file_writer(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write a value."""
        self._write(name, np.float32(value), step, "scalars", _SCALAR)

    def histogram(self, name: str, histogram: Histogram, step: int) -> None:
        """Write a histogram."""
        self._write(name, histogram.rows(), step, "histograms", _TENSOR)

    def spectrum(self, name: str, values: NDArray[np.float64], step: int) -> None:
        """Write a histogram of the decimal logarithms of the positive eigenvalues."""
        logarithms = np.log10(values[values > 0])
        if logarithms.size:
            counts, edges = np.histogram(logarithms, bins=30)
            self._write(name, np.stack([edges[:-1], edges[1:], counts], axis=1), step, "histograms", _TENSOR)

    def _write(self, name: str, value: Any, step: int, plugin: str, data_class: int) -> None:
        metadata = self._tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = plugin
        metadata.data_class = data_class
        with self._writer.as_default():
            self._tf.summary.write(name, value, step=step, metadata=metadata)

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()
