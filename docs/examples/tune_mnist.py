"""Compare a search over the twelve regularizers with tuned dropout and batch normalization: 5,000 MNIST images.

Run from the repository's root: `python -m docs.examples.tune_mnist docs/images 1 2 3`, where the numbers are seeds.
An interrupted search continues where it stopped. Seeds can be run in separate processes at the same time.
"""

import json
import sys
from pathlib import Path

import keras

from benchmarks.data import load_mnist
from keras_repreg import tuning

SAMPLES = 5000
EPOCHS = 40
TRIALS = 36


def network(hp, **choice):
    """Build the MLP of Table 6, with its fifth layer regularized as the hyperparameters say."""
    initial = keras.initializers.TruncatedNormal(stddev=0.1)
    inputs = keras.Input((784,))
    x = inputs
    for _ in range(4):
        x = keras.layers.Dense(100, "relu", kernel_initializer=initial)(x)
    x = keras.layers.Dense(100, kernel_initializer=initial)(x)
    x = tuning.choose_regularization(hp, x, activation="relu", **choice)
    model = keras.Model(inputs, keras.layers.Dense(10, kernel_initializer=initial)(x))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=10,
        jit_compile=False,
    )
    return model


def usual(hp):
    """Build the same MLP, with a choice between dropout at four rates and batch normalization."""
    return network(hp, names=["Dropout", "BN"], grid=True)


def error(search, trial, test):
    """Return the test error of a trial's network, in percent."""
    model = search.tuner.load_model(search.tuner.oracle.get_trial(trial))
    return round(
        100 * (1 - model.evaluate(test.x, test.y, batch_size=1000, verbose=0, return_dict=True)["accuracy"]), 2
    )


def run(folder, seed, data, epochs, trials):
    """Run both searches with one seed; return name, strength and errors of each winner and of the baseline."""
    arguments = {"directory": folder, "seed": seed}
    searches = {
        "set": tuning.RegularizerSearch(network, max_trials=trials, project_name=f"set-{seed}", **arguments),
        "usual": tuning.RegularizerSearch(usual, tuner="grid", project_name=f"usual-{seed}", **arguments),
    }
    training = data.train.first(SAMPLES)
    for search in searches.values():
        search.search(
            training.x,
            training.y,
            batch_size=100,
            epochs=epochs,
            validation_data=(data.validation.x, data.validation.y),
            validation_batch_size=1000,
            verbose=0,
        )
    boards = {name: search.leaderboard() for name, search in searches.items()}
    rows = {name: (searches[name], board[0]) for name, board in boards.items()}
    baseline = next(row for row in boards["set"] if row["regularization"] == "Baseline")
    rows["Baseline"] = (searches["set"], baseline)
    found = {
        name: {
            "regularization": row["regularization"],
            "strength": row["rate"] if row["regularization"] == "Dropout" else row["weight"],
            "validation": round(100 * (1 - row["score"]), 2),
            "test": error(search, row["trial"], data.test),
        }
        for name, (search, row) in rows.items()
    }
    return {**found, "leaderboard": str(boards["set"])}


def table(results):
    """Return a Markdown table with one row per seed."""

    def cell(row):
        strength = "" if row["strength"] is None else f" {row['strength']:.2g}"
        return f"{row['regularization']}{strength}: {row['validation']:.2f}, **{row['test']:.2f}**"

    lines = [
        "| seed | best of the twelve | best of dropout and BN | baseline |",
        "| ---: | --- | --- | --- |",
    ]
    columns = ("set", "usual", "Baseline")
    for seed, result in sorted(results.items()):
        lines.append(f"| {seed} | " + " | ".join(cell(result[column]) for column in columns) + " |")
    means = [sum(result[column]["test"] for result in results.values()) / len(results) for column in columns]
    lines.append("| mean of test errors | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(lines) + "\n"


def main(folder, seeds, searches=Path("build/tune_mnist"), epochs=EPOCHS, trials=TRIALS):
    """Search with each seed; write the table of all seeds run so far and the leaderboard of the first."""
    data = load_mnist()
    searches.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (searches / f"{seed}.json").write_text(json.dumps(run(searches, seed, data, epochs, trials)))
    results = {int(path.stem): json.loads(path.read_text()) for path in searches.glob("*.json")}
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "tune_mnist.md").write_text(table(results))
    (Path(folder) / "tune_mnist_leaderboard.md").write_text(f"```text\n{results[min(results)]['leaderboard']}\n```\n")


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
