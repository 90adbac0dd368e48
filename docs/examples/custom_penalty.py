"""Define a custom penalty that keeps every unit's standard deviation above a floor, as VICReg does.

From the repository's root: `python -m docs.examples.custom_penalty docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from benchmarks.data import load_mnist


# [start:layer]
@keras.saving.register_keras_serializable(package="my_project")
class DeviationFloor(keras_repreg.layers.RepresentationRegularization):
    """Penalize units whose standard deviation over the batch is below a floor, by the difference."""

    def __init__(self, weight=0.01, floor=1.0, **kwargs):
        super().__init__(weight, **kwargs)
        self.floor = floor

    def omega(self, z):
        deviation = keras.ops.sqrt(keras.ops.var(z, axis=0) + 1e-4)
        return keras.ops.sum(keras.ops.relu(self.floor - deviation))

    def get_config(self):
        return {**super().get_config(), "floor": self.floor}


# [end:layer]


def network(*penalties):
    """Build an MLP with penalties after its hidden layer."""
    hidden = keras.layers.Dense(64, name="hidden")
    model = keras.Sequential([keras.Input((784,)), hidden, *penalties, keras.layers.ReLU(), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def main(folder, epochs=5, samples=10_000, seeds=(1, 2, 3)):
    """Train without a penalty, with CR, and with CR and the floor; save, load and measure each network."""
    mnist = load_mnist()
    train, test = mnist.train.first(samples), mnist.test
    path = Path(folder) / "custom_penalty.keras"
    covariance = keras_repreg.CovarianceRegularization
    cases = {
        "none": list,
        "CR": lambda: [covariance(1.0, normalize=True)],
        "CR and floor": lambda: [covariance(1.0, normalize=True), DeviationFloor(1.0, normalize=True)],
    }
    lines = ["| penalties | test error | smallest deviation | correlation | stable rank |", "| --- |" + " ---: |" * 4]
    for name, penalties in cases.items():
        rows = []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = network(*penalties())
            model.fit(train.x, train.y, epochs=epochs, batch_size=100, verbose=0)
            model.save(path)
            loaded = keras.saving.load_model(path)  # includes the custom layer
            accuracy = loaded.evaluate(test.x, test.y, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
            hidden = keras.Model(loaded.inputs, loaded.get_layer("hidden").output)
            z = hidden.predict(test.x, batch_size=1000, verbose=0)
            values = keras_repreg.characterize(z, positive_only=False)
            rows.append([100 * (1 - accuracy), np.std(z, axis=0).min(), values["correlation"], values["stable_rank"]])
        error, smallest, correlation, rank = np.mean(rows, axis=0)
        spread = np.std(rows, axis=0)[0]
        lines.append(f"| {name} | {error:.2f} ± {spread:.2f} | {smallest:.2f} | {correlation:.2f} | {rank:.1f} |")
    path.unlink()
    print("\n".join(lines))
    (Path(folder) / "custom_penalty.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
