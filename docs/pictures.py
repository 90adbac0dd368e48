"""Makes the pictures of docs/information.md: the paper's MLP on MNIST, without a penalty and with cw-CR.

From the repository's root, in some two minutes on two cores: `python docs/pictures.py docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist
from keras_repreg import plots

EPOCHS = 20
NAMES = ("first", "second", "third", "fourth", "fifth")
PENALTIES = {"baseline": None, "cw-CR": keras_repreg.ClasswiseCovarianceRegularization(100.0, normalize=True)}


def mlp(penalty):
    """Five ReLU layers of 100, the fifth penalized, and a linear output."""
    initial = keras.initializers.TruncatedNormal(stddev=0.1)
    hidden = [keras.layers.Dense(100, "relu", kernel_initializer=initial, name=name) for name in NAMES]
    penalties = [] if penalty is None else [penalty]
    model = keras_repreg.Sequential([keras.Input((784,)), *hidden, *penalties, keras.layers.Dense(10)])
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def train(title, data):
    """Activations of the fifth layer on the test images, the history and the trajectory in the information plane."""
    keras.utils.set_random_seed(0)
    model = mlp(PENALTIES[title])
    plane = keras_repreg.InformationPlaneLogger(noise_variance=10.0)
    history = model.fit(
        data.train.x,
        data.train.y,
        batch_size=100,
        epochs=EPOCHS,
        validation_data=(data.validation.x, data.validation.y),
        callbacks=[plane, keras_repreg.CharacteristicsLogger("fifth")],
        verbose=0,
    )
    fifth = keras.Model(model.inputs, model.get_layer("fifth").output)
    return fifth.predict(data.test.x, batch_size=1000, verbose=0), history.history, plane.trajectory


def draw(results, labels, folder):
    """Save the pictures."""
    z, history, trajectory = results["baseline"]
    spectra = {title: np.linalg.eigvalsh(np.cov(result[0].T)) for title, result in results.items()}
    for name, figure in {
        "information-plane": plots.information_plane(trajectory),
        "epochs": plots.characteristics_over_epochs(history, "fifth"),
        "histograms": plots.unit_histograms(z, labels),
        "scatter": plots.unit_scatter(z, labels, units=None),
        "scatter-cw-cr": plots.unit_scatter(results["cw-CR"][0], labels, units=None),
        "spectrum": plots.spectrum(spectra),
        "correlation": plots.correlation_matrix(correlations(z)),
    }.items():
        figure.savefig(folder / f"{name}.png", dpi=80)


def correlations(z):
    """Correlations between units, NaN for dead ones."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(z.T)


if __name__ == "__main__":
    mnist = load_mnist()
    draw({title: train(title, mnist) for title in PENALTIES}, mnist.test.y, Path(sys.argv[1]))
