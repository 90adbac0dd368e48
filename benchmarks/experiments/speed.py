"""Times side by side, in three parts.

`kernels`: each penalty's value and gradient, beside a loop over classes. `steps`: what each adds to a step of training.
`epochs`: one epoch inside a compiled function, as in these experiments, against one of plain `model.fit`.

What is compared runs in one process in turns, so that a change of the machine's speed meets all, and each turn gives
one ratio.
"""

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import backend, command, records
from benchmarks.aggregate import as_csv
from benchmarks.timing import ratio, take_turns

HELP = "times side by side: penalties, training steps, epochs"

PARTS = ("kernels", "steps", "epochs")
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
REGULARIZERS = (("Baseline", 0.0), ("CR", 10.0), ("cw-CR", 100.0), ("cw-VR", 1.0), ("cw-RR", 1.0))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's."""
    parser.add_argument("--repeats", type=command.positive, default=5, help="turns that each takes (default 5)")
    parser.add_argument("--only", choices=PARTS, default=None, help="one of the parts (default: all)")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="wall clock, or on a machine that others use too the processor time of this process",
    )
    command.add_place_arguments(parser, "smallest sizes and two turns: does it run?")


def run(arguments: argparse.Namespace) -> int:
    """Time, print, and write the ratios, a part after the other."""
    out = command.folder(arguments)
    repeats = 2 if arguments.smoke else arguments.repeats
    written = []
    for part in PARTS if arguments.only is None else (arguments.only,):
        rows, text, markdown = measure(part, repeats, arguments.clock, smoke=arguments.smoke)
        print(f"\n{text}\n", flush=True)
        written.append(command.write(out / f"speed_{part}.csv", as_csv(rows)))
        written.append(command.write(out / f"speed_{part}.md", markdown))
    setting = f"{records.in_words(records.environment())}; {arguments.clock} clock, {repeats} turns"
    written.append(command.write(out / "speed_setting.txt", f"{setting}\n"))
    print(setting)
    print(f"Written: {', '.join(str(path) for path in written)}")
    return 0


def measure(part: str, repeats: int, clock: str, *, smoke: bool = False) -> tuple[list[dict[str, Any]], str, str]:
    """The rows of a part, and these as text and as Markdown."""
    backend.start(threads=os.cpu_count() or 1)
    from benchmarks.experiments import kernels, steps

    rows: list[dict[str, Any]]
    if part == "kernels":
        rows = kernels.compare(kernels.SMOKE_GRID if smoke else kernels.GRID, repeats, CLOCKS[clock])
        return rows, kernels.as_text(rows), kernels.as_markdown(rows)
    if part == "steps":
        networks = steps.SMOKE_NETWORKS if smoke else tuple(steps.NETWORKS)
        rows = steps.compare(networks, repeats, CLOCKS[clock])
        return rows, steps.as_text(rows), steps.as_markdown(rows)
    rows = compare(repeats, 2000 if smoke else None, CLOCKS[clock])
    return rows, as_text(rows), as_markdown(rows)


def compare(
    repeats: int = 5, samples: int | None = None, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, Any]]:
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
        seconds = take_turns(
            {
                "compiled": trainer.epoch,
                "fit": functools.partial(fitted.fit, training.x, training.y, batch_size=BATCH, epochs=1, verbose=0),
            },
            repeats,
            clock,
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


def as_text(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [f"{'Regularizer':<12}{'compiled epoch':>16}{'model.fit':>12}   ratio (min to max)"]
    for row in rows:
        lines.append(
            f"{row['regularizer']:<12}{row['compiled_seconds']:>14.2f} s{row['fit_seconds']:>10.2f} s"
            f"{row['ratio_median']:>8.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        )
    return "\n".join(lines)


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The rows for a page."""
    lines = ["| | compiled epoch | `model.fit` | ratio (min to max) |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        lines.append(
            f"| {row['regularizer']} | {row['compiled_seconds']:.2f} s | {row['fit_seconds']:.2f} s "
            f"| {row['ratio_median']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f}) |"
        )
    return "\n".join(lines) + "\n"
