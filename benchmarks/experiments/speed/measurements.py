"""The cost of characteristics: `measure` compared with `predict`, and `fit` with and without `CharacteristicsLogger`.

Each case runs in a separate process, so that peak memory is measured separately. If a case misses its target, the
functions that take the most time are listed.
"""

import argparse
import cProfile
import io
import json
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from benchmarks.experiments.speed.text import as_table, spread
from benchmarks.experiments.speed.timing import CLOCKS, ratio
from keras_repreg import CharacteristicsLogger, measure

PROFILED = 12


@dataclass(frozen=True)
class Case:
    """A case to measure.

    Attributes:
        compared: Name of the baseline.
        make: Returns the baseline and the function to measure, smaller if called with True.
        most: Target for the ratio of their times.
        most_megabytes: Target for the memory that the measured function adds.
    """

    compared: str
    make: Callable[[bool], tuple[Callable[[], object], Callable[[], object]]]
    most: float | None = None
    most_megabytes: float | None = None


def _mlp(width: int, layers: int = 5) -> keras.Model:
    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(layers)]
    return keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10)])


def _measure_mlp(smoke: bool) -> tuple[Callable[[], object], Callable[[], object]]:
    model = _mlp(16 if smoke else 512)
    x = np.random.default_rng(0).random((100 if smoke else 10_000, 784), dtype=np.float32)
    return lambda: model.predict(x, batch_size=256, verbose=0), lambda: measure(model, x)


def _resnet(size: int, images: int, batch_size: int | None) -> Any:
    def make(smoke: bool) -> tuple[Callable[[], object], Callable[[], object]]:
        # The smoke test has the smallest input size that the network accepts.
        shape, number = ((32, 32, 3), 4) if smoke else ((size, size, 3), images)
        model = keras.applications.ResNet50(weights=None, input_shape=shape)
        x = np.random.default_rng(0).random((number, *shape), dtype=np.float32)
        given: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
        return lambda: model.predict(x, batch_size=batch_size or 32, verbose=0), lambda: measure(model, x, **given)

    return make


def _batches(x: Any, y: Any) -> Any:
    """Return batches of 100 that are not tuned while they are read.

    An iterator of `tf.data` ends only when its tuning thread wakes up: 0.3, 0.6, 1.3, 2.6 or 5.1 s after it began. A
    `fit` that takes slightly longer than one of these times seems to take twice as long.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(100).with_options(options)


def _fit(width: int) -> Any:
    def make(smoke: bool) -> tuple[Callable[[], object], Callable[[], object]]:
        model = _mlp(width)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        rng = np.random.default_rng(0)
        number = 200 if smoke else 60_000
        x, y = rng.random((number, 784), dtype=np.float32), rng.integers(0, 10, number)
        validation = _batches(x[: number // 6], y[: number // 6])
        training = _batches(x[number // 6 :], y[number // 6 :])

        def fit(*callbacks: keras.callbacks.Callback) -> object:
            return model.fit(training, validation_data=validation, callbacks=list(callbacks), verbose=0)

        return fit, lambda: fit(CharacteristicsLogger())

    return make


CASES = {
    "MLP 5 x 512, 10,000 samples": Case("predict", _measure_mlp, most=4),
    "ResNet50 64 x 64, 64 images": Case("predict", _resnet(64, 64, None), most=10, most_megabytes=600),
    "ResNet50 224 x 224, 32 images": Case("predict", _resnet(224, 32, 8), most_megabytes=1500),
    "MLP 5 x 100, an epoch of 50,000": Case("fit", _fit(100), most=1.3),
    "MLP 5 x 512, an epoch of 50,000": Case("fit", _fit(512), most=1.6),
}
SMOKE_CASES = ("MLP 5 x 512, 10,000 samples", "MLP 5 x 100, an epoch of 50,000")


def compare(turns: int = 5, clock: str = "wall", *, smoke: bool = False) -> list[dict[str, Any]]:
    """Return a row per case: seconds of both functions, their ratio, and megabytes of memory."""
    rows = []
    for name in SMOKE_CASES if smoke else CASES:
        command = [sys.executable, "-m", "benchmarks.experiments.speed.measurements", name, str(turns), clock]
        done = subprocess.run([*command, *["--smoke"][: int(smoke)]], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Expected {name!r} to be measured. Received: {done.stderr.strip()[-2000:]}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(profiles(rows))
    return rows


def measure_case(name: str, turns: int, clock: Callable[[], float], smoke: bool) -> dict[str, Any]:
    """Measure a case in this process, and return its row."""
    case = CASES[name]
    plain, full = case.make(smoke)
    plain()
    before = _peak()
    started = time.perf_counter()
    full()
    first, peak = time.perf_counter() - started, _peak()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for function, so_far in zip((plain, full), seconds, strict=True):
            started = clock()
            function()
            so_far.append(clock() - started)
    found = ratio(seconds[1], seconds[0])
    missed = (case.most is not None and found.median > case.most) or (
        case.most_megabytes is not None and peak - before > case.most_megabytes
    )
    return {
        "case": name,
        "compared": case.compared,
        "plain_seconds": sorted(seconds[0])[turns // 2],
        "seconds": sorted(seconds[1])[turns // 2],
        "first_seconds": first,
        "ratio_median": found.median,
        "ratio_low": found.low,
        "ratio_high": found.high,
        "most": case.most,
        "added_megabytes": peak - before,
        "peak_megabytes": peak,
        "profile": _profile(full) if missed else "",
    }


def _peak() -> float:
    """Return peak memory in megabytes; Linux reports kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _profile(function: Callable[[], object]) -> str:
    profile = cProfile.Profile()
    profile.runcall(function)
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(PROFILED)
    lines = text.getvalue().splitlines()
    head = next(i for i, line in enumerate(lines) if line.lstrip().startswith("ncalls"))
    return "\n".join(line.rstrip() for line in lines[head:] if line.strip())


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    return as_table(
        ("", "compared with", "plain", "measured", "ratio (min to max)", "memory added", "peak"),
        (
            (
                row["case"],
                f"`{row['compared']}`",
                f"{row['plain_seconds']:.2f} s",
                f"{row['seconds']:.2f} s",
                spread(row, "ratio"),
                f"{row['added_megabytes']:,.0f} MB",
                f"{row['peak_megabytes']:,.0f} MB",
            )
            for row in rows
        ),
        left=2,
    )


def profiles(rows: list[dict[str, Any]]) -> str:
    """Return the profiles of the cases that miss their target."""
    return "\n\n".join(f"{row['case']}: where the time goes\n{row['profile']}" for row in rows if row["profile"])


def main() -> None:
    """Measure one case and print its row as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("turns", type=int)
    parser.add_argument("clock", choices=CLOCKS)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(measure_case(arguments.case, arguments.turns, CLOCKS[arguments.clock], arguments.smoke)))


if __name__ == "__main__":
    main()
