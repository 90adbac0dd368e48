"""Add a penalty to a network with one line, and compare: 1,000 MNIST images.

From the repository's root: `python -m docs.examples.mnist_one_line docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist  # elsewhere: keras.datasets.mnist.load_data(), and divide by 255

PENALTIES = {
    "none": None,
    "cw-VR": lambda: keras_repreg.ClasswiseVarianceRegularization(1.0, normalize=True),
    "CR": lambda: keras_repreg.CovarianceRegularization(1.0, normalize=True),
}


def network(penalty=None):
    """Build a network with two hidden layers; the second is penalized and measured."""
    model = keras_repreg.Sequential()  # a keras.Sequential that passes the labels to class-wise layers
    model.add(keras.Input((784,)))
    model.add(keras.layers.Dense(100, activation="relu"))
    model.add(keras.layers.Dense(100, activation="relu", name="hidden"))
    if penalty is not None:
        model.add(penalty())  # the one line
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def main(folder, epochs=40, seeds=(1, 2, 3)):
    """Train each network with each seed, and write a table of means."""
    mnist = load_mnist()
    train, test = mnist.train.first(1000), mnist.test
    columns = ("correlation", "sparsity", "dead_units", "stable_rank")
    lines = ["| penalty | test error | correlation | sparsity | dead units | stable rank |"]
    lines += ["| --- |" + " ---: |" * 5]
    for name, penalty in PENALTIES.items():
        rows = []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = network(penalty)
            model.fit(train.x, train.y, epochs=epochs, batch_size=100, verbose=0)
            accuracy = model.evaluate(test.x, test.y, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
            measured = keras_repreg.measure(model, test.x, "hidden")["hidden"]
            rows.append([100 * (1 - accuracy), *(measured[column] for column in columns)])
        error, *values = np.mean(rows, axis=0)
        spread = np.std(rows, axis=0)[0]
        lines.append(f"| {name} | {error:.2f} ± {spread:.2f} | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    print("\n".join(lines))
    (Path(folder) / "mnist_one_line.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
