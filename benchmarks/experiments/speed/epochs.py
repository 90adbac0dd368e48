"""Compare an epoch in one compiled function, as in these experiments, with an epoch of `model.fit` on MNIST."""

import functools
import statistics
from typing import Any

import keras

from benchmarks.data import load
from benchmarks.experiments.speed.text import as_table, spread
from benchmarks.experiments.speed.timing import CLOCKS, ratio, take_turns
from benchmarks.training.epochs import BATCH, EpochTrainer
from benchmarks.training.models import mlp

REGULARIZERS = (("Baseline", 0.0), ("CR", 10.0), ("cw-CR", 100.0), ("cw-VR", 1.0), ("cw-RR", 1.0))


def compare(turns: int = 5, clock: str = "wall", *, smoke: bool = False) -> list[dict[str, Any]]:
    """Return a row per regularizer: median seconds per epoch of both, and the range and median of their ratio."""
    training = load("mnist").train.first(2000 if smoke else None)
    rows = []
    for name, weight in REGULARIZERS:
        trainer = EpochTrainer(mlp(name, weight), keras.optimizers.Adam(1e-4), training)
        fitted = mlp(name, weight)
        fitted.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        seconds = take_turns(
            {
                "compiled": trainer.epoch,
                "fit": functools.partial(fitted.fit, training.x, training.y, batch_size=BATCH, epochs=1, verbose=0),
            },
            turns,
            CLOCKS[clock],
        )
        by_compiled = ratio(seconds["fit"], seconds["compiled"])
        rows.append(
            {
                "regularizer": name,
                "compiled_seconds": statistics.median(seconds["compiled"]),
                "fit_seconds": statistics.median(seconds["fit"]),
                "ratio_min": by_compiled.low,
                "ratio_median": by_compiled.median,
                "ratio_max": by_compiled.high,
            }
        )
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows for a page."""
    return as_table(
        ("", "compiled epoch", "`model.fit`", "ratio (min to max)"),
        (
            (
                row["regularizer"],
                f"{row['compiled_seconds']:.2f} s",
                f"{row['fit_seconds']:.2f} s",
                spread(row, "ratio", low="min", high="max"),
            )
            for row in rows
        ),
    )
