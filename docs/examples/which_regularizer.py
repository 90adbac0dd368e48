"""Compare every regularizer with the better of dropout and batch normalization in paired runs on seven data sets.

Run from the repository's root, on JAX: `KERAS_BACKEND=jax python -m docs.examples.which_regularizer docs/images`,
followed by the names of data sets to run only these. Each run is a row of the CSV file; existing rows are kept.
"""

import csv
import math
import sys
from pathlib import Path

import keras
import numpy as np

import keras_repreg
from keras_repreg import tuning
from keras_repreg.regularizer_set import ALL_REGULARIZERS

WIDTH = 100
WEIGHTS = (0.01, 0.1, 1.0, 10.0)
RATES = (0.1, 0.3, 0.5, 0.7)
# Random directions per step of SIG and cw-SIG: an eighth of the default, to save time.
SLICES = 32
USUAL = ("Dropout", "BN")
NAMES = (*tuning.NAMES, *tuning.LATER_NAMES)
COLUMNS = ("data", "regularizer", "strength", "seed", "validation_error", "test_error")
# Number of seeds, batch size, and number of steps.
DATA = {
    "iris": (10, 25, 300),
    "wine": (10, 25, 300),
    "breast cancer": (10, 50, 400),
    "digits": (10, 100, 800),
    "MNIST 1,000": (5, 100, 500),
    "MNIST 5,000": (5, 100, 1000),
    "MNIST 50,000": (5, 100, 5000),
}


def strengths(name):
    """Return the weights or rates to try for a regularizer; (None,) if it has neither."""
    return {"Baseline": (None,), "BN": (None,), "DBN": (None,), "Dropout": RATES}.get(name, WEIGHTS)


def load(name, seed):
    """Return training, validation and test data, split according to the seed."""
    rng = np.random.default_rng(seed)
    if name.startswith("MNIST"):
        from benchmarks.data import load_mnist

        data = load_mnist()
        chosen = rng.permutation(len(data.train.x))[: int(name.split()[1].replace(",", ""))]
        parts = (data.validation, data.test)
        return (data.train.x[chosen], data.train.y[chosen]), *((part.x, part.y) for part in parts)
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    x, y = getattr(datasets, f"load_{name.replace(' ', '_')}")(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    x, x_validation, y, y_validation = train_test_split(x, y, test_size=1 / 3, stratify=y, random_state=seed)
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3 * x.std())
    return tuple(
        (((part - mean) / deviation).astype("float32"), labels.astype("int32"))
        for part, labels in ((x, y), (x_validation, y_validation), (x_test, y_test))
    )


def network(name, strength, units, classes, seed):
    """Build two hidden layers, the second regularized; the layer's weight is 1 and a variable holds the loss weight."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((units,))
    z = keras.layers.Dense(WIDTH, activation="relu")(x)
    z = keras.layers.Dense(WIDTH, name="kernel")(z)
    if name in ("L1W", "L2W"):
        z = keras.layers.Activation("relu")(z)
    elif name in ("SIG", "cw-SIG"):
        z = keras.layers.Activation("relu")(ALL_REGULARIZERS[name].keras_layer(1.0, slices=SLICES)(z))
    else:
        sizes = {"rate": strength} if name == "Dropout" else {"weight": 1.0} if strength is not None else {}
        z = tuning.Regularization(name, **sizes)(z, activation="relu")
    model = keras_repreg.Model(x, keras.layers.Dense(classes)(z))
    for layer in model.layers:
        if isinstance(layer, keras_repreg.layers.RepresentationRegularization):
            layer.weight_factor.make_variable(scope=layer.name)
            layer.weight_factor.assign(strength)
    return model


def train(name, sizes, data, classes, batch_size, steps):
    """Train one network per strength and seed, one after the other in one compiled function.

    Returns:
        Validation and test errors in percent, two arrays of shape (strengths, seeds).
    """
    import jax
    import jax.numpy as jnp

    seeds, units = len(data), data[0][0][0].shape[1]
    model = network(name, sizes[0], units, classes, 0)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    start = [variable.value for variable in optimizer.variables]
    stacked = [[np.stack([splits[i][j] for splits in data]) for j in range(2)] for i in range(3)]
    kernel = next(i for i, v in enumerate(model.trainable_variables) if v.path.startswith("kernel/kernel"))

    def loss_of(trainable, other, x, y, strength):
        with keras_repreg.label_scope(y):
            logits, other, losses = model.stateless_call(trainable, other, x, training=True, return_losses=True)
        loss = jnp.mean(keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True))
        if name in ("L1W", "L2W"):
            w = trainable[kernel]
            loss = loss + strength * jnp.mean(jnp.abs(w) if name == "L1W" else w**2)
        return loss + sum(losses), other

    def run(arguments):
        seed, strength, trainable, other = arguments
        (x, y), *rest = [[array[seed] for array in part] for part in parts]

        def step(state, key):
            trainable, other, optimized = state
            chosen = jax.random.choice(key, len(x), (batch_size,), replace=False)
            gradients, other = jax.grad(loss_of, has_aux=True)(trainable, other, x[chosen], y[chosen], strength)
            trainable, optimized = optimizer.stateless_apply(optimized, gradients, trainable)
            return (trainable, other, optimized), None

        keys = jax.random.split(jax.random.key(seed), steps)
        (trainable, other, _), _ = jax.lax.scan(step, (trainable, other, start), keys)

        def error(x, y):
            logits, _ = model.stateless_call(trainable, other, x, training=False)
            return 100 * jnp.mean(jnp.argmax(logits, axis=1) != y)

        return jnp.stack([error(*part) for part in rest])

    # All strengths start from the same weights; the loss weight is a non-trainable variable.
    models = [network(name, sizes[0], units, classes, seed) for seed in range(seeds)]
    kinds = (lambda m: m.trainable_variables, lambda m: m.non_trainable_variables)
    begun = [zip(*([np.asarray(v.value) for v in kind(m)] for m in models), strict=True) for kind in kinds]
    states = [[np.concatenate([np.stack(values)] * len(sizes)) for values in each] for each in begun]
    which = np.tile(np.arange(seeds), len(sizes))
    weights = np.repeat(np.array([size or 0.0 for size in sizes], "float32"), seeds)
    for i, variable in enumerate(model.non_trainable_variables):
        if variable.path.endswith("weight_factor"):
            states[1][i] = weights
    parts = [[jnp.asarray(array) for array in part] for part in stacked]
    errors = jax.jit(lambda arguments: jax.lax.map(run, arguments))((which, weights, *states))
    return np.asarray(errors).reshape(len(sizes), seeds, 2).transpose(2, 0, 1)


def read(path):
    """Return the runs of a CSV file: (data, regularizer, strength) to {seed: (validation error, test error)}."""
    found = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                strength = float(row["strength"]) if row["strength"] else None
                runs = found.setdefault((row["data"], row["regularizer"], strength), {})
                runs[int(row["seed"])] = float(row["validation_error"]), float(row["test_error"])
    return found


def write(path, data, name, sizes, errors):
    """Append runs to the file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for size, validation, test in zip(sizes, *errors, strict=True):
            for seed, pair in enumerate(zip(validation, test, strict=True)):
                writer.writerow([data, name, "" if size is None else size, seed, *(f"{error:.4f}" for error in pair)])


def chosen(runs, data):
    """Choose the strength with the lowest mean validation error: name to (strength, validation error, test errors)."""
    best = {}
    for (of, name, strength), errors in runs.items():
        validation, test = np.array([errors[seed] for seed in sorted(errors)]).T
        if of == data and (name not in best or validation.mean() < best[name][1]):
            best[name] = strength, validation.mean(), test
    return best


def effects(best, data):
    """Return the reference, and the paired differences of test errors from it: name to (difference, low, high).

    The small data sets are split again for each seed, so the parts of different seeds overlap. The variance of the mean
    is then (1 / seeds + test samples / training samples) times that of a difference (Nadeau and Bengio, 2003).
    """
    from scipy.stats import t

    overlap = 0.0 if data.startswith("MNIST") else 0.5

    usual = min(USUAL, key=lambda name: best[name][1])
    others = [name for name in best if name not in USUAL]
    found = {}
    for name in others:
        differences = best[name][2] - best[usual][2]
        number = len(differences)
        half = t.isf(0.05 / len(others) / 2, number - 1) * differences.std(ddof=1) * math.sqrt(1 / number + overlap)
        found[name] = differences.mean(), differences.mean() - half, differences.mean() + half
    return usual, found


def table(runs):
    """Return a Markdown table with one row per regularizer and one column per data set."""
    columns = [data for data in DATA if {"Baseline", *USUAL} <= {name for of, name, _ in runs if of == data}]
    cells = {}
    for data in columns:
        best = chosen(runs, data)
        usual, found = effects(best, data)
        for name in NAMES:
            error = f"{best[name][2].mean():.2f}" if name in best else "not run"
            if name in found:
                difference, low, high = found[name]
                told = "**helps** " if high < 0 else "*hurts* " if low > 0 else ""
                error = f"{told}{difference:+.2f} ({low:+.2f}&nbsp;to&nbsp;{high:+.2f})"
            cells[name, data] = error + (", reference" if name == usual else "")
    lines = ["| | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    lines += [f"| {name} | " + " | ".join(cells[name, data] for data in columns) + " |" for name in NAMES]
    return "\n".join(lines) + "\n"


def main(folder, names=tuple(DATA), protocol=None, regularizers=NAMES):
    """Execute the missing runs of these data sets, and write the table of all complete ones."""
    path = Path(folder) / "which_regularizer.csv"
    for data in names:
        seeds, batch_size, steps = {**DATA, **(protocol or {})}[data]
        splits = None
        for name in regularizers:
            done = read(path)
            # Each rate of dropout is compiled separately.
            groups = [(size,) for size in strengths(name)] if name == "Dropout" else [strengths(name)]
            for sizes in groups:
                if all(len(done.get((data, name, size), ())) == seeds for size in sizes):
                    continue
                splits = splits or [load(data, seed) for seed in range(seeds)]
                classes = int(splits[0][0][1].max()) + 1
                write(path, data, name, sizes, train(name, sizes, splits, classes, batch_size, steps))
                print(data, name, sizes, flush=True)
    (Path(folder) / "which_regularizer.md").write_text(table(read(path)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or [name for name in DATA if name != "MNIST 50,000"])
