"""Make the pictures of docs/gallery.md and the README: the paper's MLP on MNIST with and without penalties.

From the repository's root, in about four minutes on one core: `python docs/pictures.py docs/images`
"""

import json
import sys
from pathlib import Path

import keras
import matplotlib
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist
from keras_repreg import plots

NAMES = ("first", "second", "third", "fourth", "fifth")
# The loss weights of Table 6.
PENALTIES = {
    "baseline": None,
    "cw-VR": keras_repreg.ClasswiseVarianceRegularization(1.0, normalize=True),
    "cw-CR": keras_repreg.ClasswiseCovarianceRegularization(100.0, normalize=True),
}
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


# [start:train]
def mlp(penalty):
    """Build five ReLU layers of 100 units, the fifth penalized, and a linear output."""
    initial = keras.initializers.TruncatedNormal(stddev=0.1)
    hidden = [keras.layers.Dense(100, "relu", kernel_initializer=initial, name=name) for name in NAMES]
    penalties = [] if penalty is None else [penalty]
    model = keras_repreg.Sequential([keras.Input((784,)), *hidden, *penalties, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
    return model


def train(title, data, callbacks=(), epochs=20):
    """Train the network on the first 50,000 images; return it with its history."""
    keras.utils.set_random_seed(0)
    model = mlp(PENALTIES[title])
    history = model.fit(
        data.train.x,
        data.train.y,
        batch_size=100,
        epochs=epochs,
        validation_data=(data.validation.x, data.validation.y),
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, history


def fifth_layer(model, data):
    """Return the activations of the fifth layer on the test images."""
    fifth = keras.Model(model.inputs, model.get_layer("fifth").output)
    return fifth.predict(data.test.x, batch_size=1000, verbose=0)


# [end:train]


# [start:by_layer]
def by_layer(models, data):
    """Draw the characteristics of all layers on the test images, without and with the penalty."""
    tables = {
        title: keras_repreg.measure(model, data.test.x, list(NAMES), batch_size=1000) for title, model in models.items()
    }
    return plots.by_layer(tables)


# [end:by_layer]


# [start:histograms]
def histograms(z, labels):
    """Draw single units by class, as in the upper row of the paper's Figure 1."""
    return plots.unit_histograms(z, labels)


# [end:histograms]


# [start:scatter]
def scatter(z, labels):
    """Draw two units against each other, as in the lower row of the paper's Figure 1."""
    return plots.unit_scatter(z[:2000], labels[:2000], units=None)


# [end:scatter]


# [start:spectrum]
def spectrum(activations):
    """Draw the eigenvalues of the covariance for several networks."""
    return plots.spectrum({title: np.linalg.eigvalsh(np.cov(z.T)) for title, z in activations.items()})


# [end:spectrum]


# [start:correlation]
def correlation(z):
    """Draw the correlations between all units; dead units have none and are grey."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return plots.correlation_matrix(np.corrcoef(z.T))


# [end:correlation]


# [start:epochs]
def epochs(history):
    """Draw what `CharacteristicsLogger` and `InformationPlaneLogger` logged for all layers."""
    return plots.characteristics_over_epochs(history)


# [end:epochs]


# [start:plane]
def plane(trajectory):
    """Draw what `InformationPlaneLogger` logged for all layers."""
    return plots.information_plane(trajectory)


# [end:plane]


# [start:figure4]
def figure4():
    """Draw I(z; x) of the twelve regularizers against their test error, from the committed results of Figure 4."""
    rows = json.loads((RESULTS / "figure4.json").read_text())["table"]["rows"]
    points = {
        row["regularizer"]: (row["zx_mean"], row["error_mean"], row["zx_std"], row["error_std"])
        for row in rows
        if row["trials"]
    }
    return plots.correlation_scatter(points, "I(z; x) at noise variance 1 (nats)", "test error (%)")


# [end:figure4]


def save(figure, path):
    """Save a figure as a reproducible SVG, or as a PNG of 180 dpi."""
    with matplotlib.rc_context({"svg.hashsalt": "keras-repreg"}):
        figure.savefig(path, dpi=180, metadata={"Date": None} if path.suffix == ".svg" else None)


def draw(models, logged, data, folder):
    """Draw and save all pictures."""
    history, trajectory = logged
    activations = {title: fifth_layer(model, data) for title, model in models.items()}
    z, labels = activations["baseline"], data.test.y
    before_and_after = {title: models[title] for title in ("baseline", "cw-VR")}
    for name, figure in {
        "by_layer.svg": by_layer(before_and_after, data),
        "histograms.png": histograms(z, labels),
        "scatter.png": scatter(z, labels),
        "scatter-cw-cr.png": scatter(activations["cw-CR"], labels),
        "spectrum.svg": spectrum(activations),
        "correlation.png": correlation(z),
        "epochs.svg": epochs(history),
        "information-plane.png": plane(trajectory),
        "figure4-scatter.svg": figure4(),
    }.items():
        save(figure, Path(folder) / name)


def sweep(activations, labels):
    """Print the noise sweep of docs/information.md."""
    for title, z in activations.items():
        for point in keras_repreg.information.noise_sweep(z, labels, [0.1, 1.0, 10.0, 100.0]):
            conventional = f"{point.zy_lower_conventional:.2f}, {point.zy_upper_conventional:.2f}"
            print(title, point, "conventional", conventional)


def main(folder):
    """Train the networks, draw the pictures and print the tables."""
    data = load_mnist()
    plane_logger = keras_repreg.InformationPlaneLogger(noise_variance=10.0)
    loggers = {"baseline": [keras_repreg.CharacteristicsLogger(NAMES), plane_logger]}
    models, histories = {}, {}
    for title in PENALTIES:
        models[title], histories[title] = train(title, data, loggers.get(title, ()))
        error = 100 * (1 - models[title].evaluate(data.test.x, data.test.y, verbose=0, return_dict=True)["accuracy"])
        print(f"{title}: test error {error:.2f}%")
        print(keras_repreg.measure(models[title], data.test.x, list(NAMES), batch_size=1000))
    draw(models, (histories["baseline"], plane_logger.trajectory), data, folder)
    sweep({title: fifth_layer(models[title], data) for title in ("baseline", "cw-CR")}, data.test.y)


if __name__ == "__main__":
    main(sys.argv[1])
