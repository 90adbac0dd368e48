"""Train a new head for the digits 5 to 9 from few images, on a frozen base that was trained on 0 to 4.

From the repository's root: `python -m docs.examples.transfer docs/images`
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

import keras_repreg
from benchmarks.data import load_mnist

HEADS = {
    "no penalty": lambda: None,
    "dropout": lambda: layers.Dropout(0.5),
    "cw-VR": lambda: keras_repreg.ClasswiseVarianceRegularization(1.0, normalize=True),
    "CR": lambda: keras_repreg.CovarianceRegularization(10.0, normalize=True),
}


def compiled(model):
    """Compile and return the model."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def pretrained(split, epochs):
    """Return two hidden layers, trained to classify the digits 0 to 4 and then frozen."""
    known = split.y < 5
    inputs = keras.Input((784,))
    features = layers.Dense(128, activation="relu")(layers.Dense(256, activation="relu")(inputs))
    base = keras.Model(inputs, features, name="base")
    model = compiled(keras.Model(inputs, layers.Dense(5)(base(inputs))))
    model.fit(split.x[known], split.y[known], epochs=epochs, batch_size=100, verbose=0)
    base.trainable = False
    return base


def with_head(base, make):
    """Build a model from the frozen base, a hidden layer, a penalty if given, and an output of five classes."""
    inputs = keras.Input((784,))
    z = layers.Dense(64, activation="relu", name="head")(base(inputs, training=False))
    penalty = make()
    z = z if penalty is None else penalty(z)
    return compiled(keras_repreg.Model(inputs, layers.Dense(5)(z)))  # a keras.Model that passes labels on


def few(split, number, seed):
    """Return `number` images of each of the digits 5 to 9."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.choice(np.flatnonzero(split.y == k), number, replace=False) for k in range(5, 10)])
    return split.x[chosen], split.y[chosen] - 5


def main(folder, epochs=60, seeds=(1, 2, 3, 4, 5), number=50, base_epochs=3):
    """Train each head on the same images, and write its test error and the characteristics of the new layer."""
    mnist = load_mnist()
    new = mnist.test.y >= 5
    x, y = mnist.test.x[new], mnist.test.y[new] - 5
    keras.utils.set_random_seed(0)
    base = pretrained(mnist.train, base_epochs)
    found = {name: [] for name in HEADS}
    for name, make in HEADS.items():
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = with_head(base, make)
            model.fit(*few(mnist.train, number, seed), epochs=epochs, batch_size=50, verbose=0)
            accuracy = model.evaluate(x, y, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
            values = keras_repreg.measure(model, x, "head")["head"]
            found[name].append([100 * (1 - accuracy), values["correlation"], values["stable_rank"]])

    lines = ["| head | test error | less than without | correlation | stable rank |", "| --- |" + " ---: |" * 4]
    without = np.array(found["no penalty"])[:, 0]
    for name, rows in found.items():
        errors = np.array(rows)[:, 0]
        better = "" if name == "no penalty" else f"{np.sum(errors < without)} of {len(seeds)}"
        _, correlation, rank = np.mean(rows, axis=0)
        lines.append(
            f"| {name} | {errors.mean():.1f} ± {errors.std():.1f} | {better} | {correlation:.2f} | {rank:.2f} |"
        )
    print("\n".join(lines))
    (Path(folder) / "transfer.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
