"""Makes the pictures of docs/information.md: the paper's MLP on MNIST, in about two minutes on two cores.

Run from the repository's root: `python docs/pictures.py docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist
from keras_repreg import plots

EPOCHS = 30
NAMES = ("first", "second", "third", "fourth", "fifth")


def mlp(*penalty):
    """Five ReLU layers of 100, the fifth penalized, and a linear output."""
    initial = keras.initializers.TruncatedNormal(stddev=0.1)
    hidden = [keras.layers.Dense(100, "relu", kernel_initializer=initial, name=name) for name in NAMES]
    model = keras_repreg.Sequential([keras.Input((784,)), *hidden, *penalty, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
    return model


def fifth(model, x):
    """Activations of the fifth layer."""
    return keras.Model(model.inputs, model.get_layer("fifth").output).predict(x, batch_size=1000, verbose=0)


def main(folder):
    """Train the baseline and cw-CR, and save a picture of each kind."""
    data = load_mnist()
    plane, characteristics = keras_repreg.InformationPlaneLogger(), keras_repreg.CharacteristicsLogger(NAMES[::2])
    spectra = {}
    for title, penalty in {
        "baseline": [],
        "cw-CR": [keras_repreg.ClasswiseCovarianceRegularization(100.0, normalize=True)],
    }.items():
        keras.utils.set_random_seed(0)
        model = mlp(*penalty)
        history = model.fit(
            data.train.x,
            data.train.y,
            batch_size=100,
            epochs=EPOCHS,
            validation_data=(data.validation.x, data.validation.y),
            callbacks=[] if penalty else [plane, characteristics],
            verbose=2,
        )
        z = fifth(model, data.test.x)
        spectra[title] = np.linalg.eigvalsh(np.cov(z.T))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.corrcoef(z.T)
        pictures = {
            f"histograms-{title}": plots.unit_histograms(z, data.test.y),
            f"scatter-{title}": plots.unit_scatter(z, data.test.y, units=None),
            f"correlation-{title}": plots.correlation_matrix(correlation),
        }
        if not penalty:
            pictures["information-plane"] = plots.information_plane(plane.trajectory)
            pictures["epochs"] = plots.characteristics_over_epochs(history)
        for name, figure in pictures.items():
            figure.savefig(folder / f"{name}.png", dpi=80)
    plots.spectrum(spectra).savefig(folder / "spectrum.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
