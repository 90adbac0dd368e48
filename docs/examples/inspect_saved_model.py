"""Measure a saved model, from Python and from the command line.

From the repository's root: `python -m docs.examples.inspect_saved_model build/inspect`
"""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist


def save(folder, epochs):
    """Train a model, and save it and its test data."""
    mnist = load_mnist()
    keras.utils.set_random_seed(1)
    hidden = [keras.layers.Dense(100, activation="relu", name=name) for name in ("first", "second", "third")]
    model = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(mnist.train.x, mnist.train.y, epochs=epochs, batch_size=100, verbose=0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    np.savez_compressed(folder / "test.npz", x=mnist.test.x, y=mnist.test.y)


def main(folder, epochs=5):
    """Save the model, then measure the files from Python and from the command line."""
    folder = Path(folder)
    save(folder, epochs)

    model = keras.saving.load_model(folder / "model.keras")
    with np.load(folder / "test.npz") as data:
        table = keras_repreg.measure(model, (data["x"], data["y"]), labels=True, characteristics="all")
    print(f"third layer: effective rank {table['third']['effective_rank']:.2f}, NC1 {table['third']['nc1']:.2f}")
    table.to_csv(folder / "table.csv", overwrite=True)

    command = [sys.executable, "-m", "keras_repreg", "measure", "model.keras", "--data", "test.npz"]
    command += ["--report", "report.html", "--noise-variance", "10", "--overwrite"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    print(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
