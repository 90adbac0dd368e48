"""How fast training is here: one epoch inside a compiled function against one of plain `model.fit`.

Both train the same network on the same data in one process; their epochs alternate, so that a change of the
machine's speed meets both, and each pair gives one ratio.
"""

import argparse
import os
import statistics
import time
from typing import Any

from benchmarks import backend, command, records
from benchmarks.aggregate import as_csv

HELP = "an epoch of these experiments against one of model.fit"
REGULARIZERS = (("Baseline", 0.0), ("CR", 10.0), ("cw-CR", 100.0), ("cw-VR", 1.0), ("cw-RR", 1.0))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    parser.add_argument("--repeats", type=command.positive, default=5, help="epochs timed of each (default 5)")
    command.add_place_arguments(parser, "two epochs on 2,000 samples: does it run?")


def run(arguments: argparse.Namespace) -> int:
    """Time, print, and write the ratios."""
    out = command.folder(arguments)
    rows = compare(
        repeats=2 if arguments.smoke else arguments.repeats, samples=command.SMOKE_SAMPLES if arguments.smoke else None
    )
    print(f"\n{as_text(rows)}\n\n{records.in_words(records.environment())}")
    print(f"Written: {command.write(out / 'speed.csv', as_csv(rows))}")
    return 0


def compare(repeats: int = 5, samples: int | None = None) -> list[dict[str, Any]]:
    """One row a regularizer: seconds per epoch of both (medians), and minimum, median and maximum of their ratio."""
    backend.start(threads=os.cpu_count() or 1)
    import keras

    from benchmarks.data import load
    from benchmarks.models import mlp
    from benchmarks.training import BATCH, EpochTrainer

    training = load("mnist").train
    if samples is not None:
        training = training.first(samples)
    rows = []
    for name, weight in REGULARIZERS:
        trainer = EpochTrainer(mlp(name, weight), keras.optimizers.Adam(1e-4), training)
        fitted = mlp(name, weight)
        fitted.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        compiled_seconds, fit_seconds = [], []
        for repeat in range(repeats + 1):
            started = time.perf_counter()
            trainer.epoch()
            between = time.perf_counter()
            fitted.fit(training.x, training.y, batch_size=BATCH, epochs=1, verbose=0)
            ended = time.perf_counter()
            if repeat:  # the first epochs compile
                compiled_seconds.append(between - started)
                fit_seconds.append(ended - between)
        ratios = [fit / compiled for fit, compiled in zip(fit_seconds, compiled_seconds, strict=True)]
        rows.append(
            {
                "regularizer": name,
                "compiled_seconds": statistics.median(compiled_seconds),
                "fit_seconds": statistics.median(fit_seconds),
                "ratio_min": min(ratios),
                "ratio_median": statistics.median(ratios),
                "ratio_max": max(ratios),
            }
        )
    return rows


def as_text(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [f"{'Regularizer':<12}{'compiled epoch':>16}{'model.fit':>12}   ratio (min to max)"]
    for row in rows:
        lines.append(
            f"{row['regularizer']:<12}{row['compiled_seconds']:>14.2f} s{row['fit_seconds']:>10.2f} s"
            f"{row['ratio_median']:>8.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        )
    return "\n".join(lines)
