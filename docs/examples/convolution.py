"""Penalize the channels of a convolutional network: channels are the units, every position of every image is a sample.

From the repository's root: `python -m docs.examples.convolution docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

import keras_repreg
from benchmarks.data import load_mnist
from keras_repreg import plots
from keras_repreg.characteristics import accumulate


def network(penalized):
    """Build two convolutions, with a penalty on the covariance of the second's channels if `penalized`."""
    model = keras.Sequential([keras.Input((28, 28, 1))])
    model.add(layers.Conv2D(16, 3, strides=2, activation="relu", name="first"))
    model.add(layers.Conv2D(32, 3, strides=2, activation="relu", name="second"))
    if penalized:
        model.add(keras_repreg.CovarianceRegularization(10.0, normalize=True, units="channels"))
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    return model


def main(folder, samples=10_000, epochs=5, seeds=(1, 2, 3)):
    """Train with and without the penalty, measure, and draw the channel correlations for the first seed."""
    mnist = load_mnist(flatten=False)
    train, test = mnist.train.first(samples), mnist.test
    lines = ["| penalty | test error | correlation | dead units | stable rank |", "| --- |" + " ---: |" * 4]
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    for name, penalized, ax in (("none", False, axes[0]), ("CR", True, axes[1])):
        rows, drawn = [], False
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = network(penalized)
            model.fit(train.x[..., None], train.y, epochs=epochs, batch_size=100, verbose=0)
            images = test.x[..., None]
            accuracy = model.evaluate(images, test.y, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
            # `measure` computes its values from these sums. Zeros are included, as in the picture.
            channels = accumulate(model, images, "second", positive_only=False)["second"]
            values = channels.result()
            rows.append(
                [100 * (1 - accuracy), values["correlation"], 100 * values["dead_units"], values["stable_rank"]]
            )
            if not drawn:
                plots.correlation_matrix(correlation(channels.moments.covariance), ax=ax)
                ax.set_title(f"penalty: {name}")
                drawn = True
        error, rho, dead, rank = np.mean(rows, axis=0)
        lines.append(f"| {name} | {error:.2f} ± {np.std(rows, axis=0)[0]:.2f} | {rho:.2f} | {dead:.0f}% | {rank:.2f} |")
    print("\n".join(lines))
    (Path(folder) / "convolution.md").write_text("\n".join(lines) + "\n")
    figure.savefig(Path(folder) / "convolution.png", dpi=180)


def correlation(covariance):
    """Return the correlation matrix, with NaN for constant channels."""
    deviation = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
    return covariance / np.outer(deviation, deviation)


if __name__ == "__main__":
    main(sys.argv[1])
