"""Draw four networks with the same function and different representations, for the page "Identical twins"."""

import sys
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

import keras_repreg
from benchmarks.data import load
from keras_repreg import ion, plots

RANK, WIDTH = 20, 100


def network() -> keras.Model:
    """Build an MLP with a linear layer of 100 units, whose representations have 20 dimensions."""
    return keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(RANK, activation="tanh"),
            keras.layers.Dense(WIDTH, name="z"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, name="logits"),
        ]
    )


def correlated() -> np.ndarray:
    """Return a covariance of rank 20, with a correlation of 0.9 between units and of 1 within groups of five."""
    groups = np.repeat(np.eye(RANK), WIDTH // RANK, axis=0)
    return 0.9 + 0.1 * groups @ groups.T


def twins(model: keras.Model, x: np.ndarray) -> dict[str, keras.Model]:
    """Return the model, and three others that compute the same function of the inputs."""
    return {
        "as trained": model,
        "whitened": ion.whiten(model, "z", x, copy=True),
        "80% dead units": ion.align_dead_units(model, "z", x, copy=True),
        "correlation 0.9": ion.with_covariance(model, "z", correlated(), x, copy=True),
    }


def main(folder: Path, epochs: int = 5) -> None:
    """Train the network, rewrite it, compare and draw."""
    keras.utils.set_random_seed(1)
    data = load("mnist")
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(data.train.x, data.train.y, epochs=epochs, batch_size=100, verbose=0)
    expected = model.predict(data.test.x, verbose=0)

    # The padding, in inches, keeps the labels of neighbouring panels apart.
    figure = Figure(figsize=(11, 13), layout=ConstrainedLayoutEngine(w_pad=0.15))
    rows = figure.subfigures(4)
    lines = ["| | test error | change of a logit | other predictions | correlation | dead units | stable rank |"]
    lines += ["| --- |" + " ---: |" * 6]
    for row, (name, twin) in zip(rows, twins(model, data.test.x).items(), strict=True):
        logits = twin.predict(data.test.x, verbose=0)
        z = keras.Model(twin.inputs, twin.get_layer("z").output).predict(data.test.x, verbose=0).astype(float)
        change = np.abs(logits - expected).max()
        measured = keras_repreg.measure(twin, data.test.x, "z", positive_only=False)["z"]
        lines.append(
            f"| {name} | {100 * np.mean(logits.argmax(1) != data.test.y):.2f}% | {f'{change:.0e}' if change else '0'} "
            f"| {np.sum(logits.argmax(1) != expected.argmax(1))} | {measured['correlation']:.2f} "
            f"| {measured['dead_units']:.0%} | {measured['stable_rank']:.1f} |"
        )
        row.suptitle(name, fontweight="bold")
        axes = row.subplots(1, 3)
        centered = z - z.mean(axis=0)
        covariance = centered.T @ centered / len(z)
        scale = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
        plots.correlation_matrix(covariance / np.outer(scale, scale), ax=axes[0])
        plots.spectrum(np.linalg.eigvalsh(covariance), ax=axes[1])
        axes[1].set_ylim(0.03, 300)
        plots.unit_scatter(z, data.test.y, (0, 7), ax=axes[2])
    figure.savefig(folder / "identical_twins.png", dpi=180)
    (folder / "identical_twins.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
