"""Test the installed package with one backend as a user would: build, fit, measure, rewrite, save, load.

Usage: python -I tests/installed.py tensorflow-cpu | jax | torch | none

Run it in an environment with only the wheel and the extra of that backend. It exits with 0 if all checks pass.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PENALTIES = (
    "CovarianceRegularization",
    "ClasswiseCovarianceRegularization",
    "VarianceRegularization",
    "ClasswiseVarianceRegularization",
    "L1Regularization",
    "RankRegularization",
    "ClasswiseRankRegularization",
)
BACKENDS = ("tensorflow", "jax", "torch")


def main(extra: str) -> None:
    backend = extra.removesuffix("-cpu")
    found = [name for name in BACKENDS if importlib.util.find_spec(name)]
    assert found == [name for name in BACKENDS if name == backend], f"backends that are installed: {found}"
    import keras_repreg

    assert "site-packages" in keras_repreg.__file__, keras_repreg.__file__
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if backend == "none":
            without_backend(keras_repreg)
        else:
            os.environ["KERAS_BACKEND"] = backend
            with_backend(keras_repreg)
    print(f"keras-repreg {keras_repreg.__version__} works as installed with {extra}")


def with_backend(keras_repreg) -> None:
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 8)).astype("float32"), np.arange(120) % 3
    for name in PENALTIES:
        keras.utils.set_random_seed(0)
        model = keras_repreg.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(16, activation="relu", name="hidden"),
                getattr(keras_repreg, name)(0.01),
                keras.layers.Dense(6, name="z"),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        callbacks = [keras_repreg.CharacteristicsLogger(), keras_repreg.PenaltyLogger()]
        logs = model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0, callbacks=callbacks).history
        assert all(np.isfinite(values).all() for values in logs.values()), (name, logs)
        assert {"val_hidden_stable_rank", f"val_{model.layers[1].name}_penalty"} <= set(logs), sorted(logs)

    before = model.predict(x, verbose=0)
    keras_repreg.ion.whiten(model, "z", x)
    assert np.abs(model.predict(x, verbose=0) - before).max() < 1e-3
    table = keras_repreg.measure(model, (x, y), characteristics="all")
    assert table["z"]["correlation"] < 1e-3 < table["hidden"]["correlation"]
    bounds = keras_repreg.information.mutual_information(
        rng.normal(size=(60, 4)), np.arange(60) % 3, noise_variance=1.0
    )
    assert 0 <= bounds.zy_lower <= bounds.zy_upper

    model.save("model.keras")
    loaded = keras.saving.load_model("model.keras")
    assert type(loaded) is keras_repreg.Sequential
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    loaded.fit(x, y, verbose=0)
    np.savez("test.npz", x=x, y=y)
    done = command("measure", "model.keras", "--data", "test.npz")
    assert done.returncode == 0, done.stderr
    assert "hidden" in done.stdout, done.stdout
    assert callable(keras_repreg.plots.spectrum)  # matplotlib is only needed for drawing


def without_backend(keras_repreg) -> None:
    for name in keras_repreg.__all__:
        said = ""
        try:
            getattr(keras_repreg, name)
        except ModuleNotFoundError as error:
            said = str(error)
        assert said.startswith(f"keras_repreg.{name}: Keras needs a backend, and none is installed"), (name, said)
    assert command("--version").stdout == f"keras-repreg {keras_repreg.__version__}\n"
    done = command("measure", "model.keras", "--data", "test.npz")
    assert (done.returncode, done.stdout) == (2, ""), done
    # Files are checked before a backend is needed; `test_package.py` tests the message without a backend.
    assert done.stderr.startswith("keras-repreg: model.keras does not exist"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def command(*arguments: str) -> subprocess.CompletedProcess:
    program = Path(sys.executable).parent / "keras-repreg"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300)


if __name__ == "__main__":
    main(sys.argv[1])
