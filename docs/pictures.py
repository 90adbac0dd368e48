"""Makes the pictures of docs/gallery.md: the paper's MLP on MNIST, without a penalty and with cw-CR.

From the repository's root, in some two minutes on two cores: `python docs/pictures.py docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist
from keras_repreg import plots

NAMES = ("first", "second", "third", "fourth", "fifth")
PENALTIES = {"baseline": None, "cw-CR": keras_repreg.ClasswiseCovarianceRegularization(100.0, normalize=True)}


# --8<-- [start:train]
def mlp(penalty):
    """Five ReLU layers of 100, the fifth penalized, and a linear output."""
    initial = keras.initializers.TruncatedNormal(stddev=0.1)
    hidden = [keras.layers.Dense(100, "relu", kernel_initializer=initial, name=name) for name in NAMES]
    penalties = [] if penalty is None else [penalty]
    model = keras_repreg.Sequential([keras.Input((784,)), *hidden, *penalties, keras.layers.Dense(10)])
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def train(title, data, epochs=20):
    """Activations of the fifth layer on the test images, and what was logged while the network trained."""
    keras.utils.set_random_seed(0)
    model = mlp(PENALTIES[title])
    plane = keras_repreg.InformationPlaneLogger(noise_variance=10.0)
    history = model.fit(
        data.train.x,
        data.train.y,
        batch_size=100,
        epochs=epochs,
        validation_data=(data.validation.x, data.validation.y),
        callbacks=[keras_repreg.CharacteristicsLogger(NAMES), plane],
        verbose=0,
    )
    fifth = keras.Model(model.inputs, model.get_layer("fifth").output)
    return fifth.predict(data.test.x, batch_size=1000, verbose=0), history, plane.trajectory


# --8<-- [end:train]


# --8<-- [start:histograms]
def histograms(z, labels):
    """The paper's Figure 1, upper row: single units, by class."""
    return plots.unit_histograms(z, labels)


# --8<-- [end:histograms]


# --8<-- [start:scatter]
def scatter(z, labels):
    """The paper's Figure 1, lower row: two units against each other."""
    return plots.unit_scatter(z[:2000], labels[:2000], units=None)


# --8<-- [end:scatter]


# --8<-- [start:spectrum]
def spectrum(activations):
    """Eigenvalues of the covariance, of several networks by name."""
    return plots.spectrum({title: np.linalg.eigvalsh(np.cov(z.T)) for title, z in activations.items()})


# --8<-- [end:spectrum]


# --8<-- [start:correlation]
def correlation(z):
    """Correlations of every two units; dead units have none, and are grey."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return plots.correlation_matrix(np.corrcoef(z.T))


# --8<-- [end:correlation]


# --8<-- [start:epochs]
def epochs(history):
    """What `CharacteristicsLogger` and `InformationPlaneLogger` logged of all layers."""
    return plots.characteristics_over_epochs(history)


# --8<-- [end:epochs]


# --8<-- [start:plane]
def plane(trajectory):
    """What `InformationPlaneLogger` logged of all layers."""
    return plots.information_plane(trajectory)


# --8<-- [end:plane]


def draw(results, labels, folder):
    """Save the pictures."""
    z, history, trajectory = results["baseline"]
    for name, figure in {
        "histograms": histograms(z, labels),
        "scatter": scatter(z, labels),
        "scatter-cw-cr": scatter(results["cw-CR"][0], labels),
        "spectrum": spectrum({title: result[0] for title, result in results.items()}),
        "correlation": correlation(z),
        "epochs": epochs(history),
        "information-plane": plane(trajectory),
    }.items():
        figure.savefig(Path(folder) / f"{name}.png", dpi=62)


def sweep(results, labels):
    """Print the noise sweep of docs/information.md."""
    for title, result in results.items():
        for point in keras_repreg.information.noise_sweep(result[0], labels, [0.1, 1.0, 10.0, 100.0]):
            conventional = f"{point.zy_lower_conventional:.2f}, {point.zy_upper_conventional:.2f}"
            print(title, point, "conventional", conventional)


if __name__ == "__main__":
    mnist = load_mnist()
    trained = {title: train(title, mnist) for title in PENALTIES}
    draw(trained, mnist.test.y, sys.argv[1])
    sweep(trained, mnist.test.y)
