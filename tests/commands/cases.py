"""Data for the command line, and a function that runs it."""

import gzip

import numpy as np

from keras_repreg.commands import main


def arrays(samples=60):
    rng = np.random.default_rng(0)
    y = np.arange(samples) % 3
    x = rng.normal(size=(samples, 5)).astype("float32")
    x[np.arange(samples), y] += 2
    return x, y


def run(*arguments):
    return main(["measure", *map(str, arguments)])


def images(samples=12):
    return np.random.default_rng(0).integers(0, 256, (samples, 28, 28), dtype=np.uint8)


def write_idx(folder, compress):
    folder.mkdir()
    for name, array in {
        "t10k-images-idx3-ubyte": images(),
        "t10k-labels-idx1-ubyte": np.arange(12, dtype="u1"),
    }.items():
        raw = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
        (folder / (f"{name}.gz" if compress else name)).write_bytes(gzip.compress(raw) if compress else raw)
