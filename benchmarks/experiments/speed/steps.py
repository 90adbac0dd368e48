"""The cost of a regularizer per training step, relative to the unregularized network, for the paper's two networks.

Each epoch on random data runs in one compiled function (see `benchmarks.training.epochs`), so that Python adds nothing.
On a CPU with TensorFlow, XLA compiles the MLPs except the one with dropout; the CNNs run without XLA.
"""

import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.data import Split
from benchmarks.experiments.speed.text import as_table, spread
from benchmarks.experiments.speed.timing import CLOCKS, ratio, take_turns
from benchmarks.training.epochs import BATCH, EpochTrainer
from benchmarks.training.models import cnn, mlp

REGULARIZERS = ("Dropout", "BN", "CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
# Builder, input shape, steps per epoch.
NETWORKS: dict[str, tuple[Callable[..., keras.Model], tuple[int, ...], int]] = {
    "MNIST MLP": (mlp, (784,), 500),
    "CIFAR CNN": (cnn, (32, 32, 3), 8),
}
SMOKE_NETWORKS = ("MNIST MLP",)


def compare(turns: int = 5, clock: str = "wall", *, smoke: bool = False) -> list[dict[str, Any]]:
    """Return a row per network and regularizer: milliseconds per step, and the ratio to the unregularized step."""
    rows = []
    for network in SMOKE_NETWORKS if smoke else NETWORKS:
        build, shape, steps = NETWORKS[network]
        rng = np.random.default_rng(0)
        x = rng.random((steps * BATCH, *shape), dtype=np.float32)
        data = Split(x, rng.integers(0, 10, len(x)).astype("int32"))
        epochs = {
            name: EpochTrainer(build(name, 0.001), keras.optimizers.Adam(1e-4), data).epoch
            for name in ("Baseline", *REGULARIZERS)
        }
        seconds = take_turns(epochs, turns, CLOCKS[clock])
        for name, found in seconds.items():
            by_plain = ratio(found, seconds["Baseline"])
            rows.append(
                {
                    "network": network,
                    "regularizer": name,
                    "milliseconds": 1e3 * statistics.median(found) / steps,
                    "ratio_median": by_plain.median,
                    "ratio_low": by_plain.low,
                    "ratio_high": by_plain.high,
                }
            )
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown: a line per regularizer, a column per network."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    return as_table(
        ("", *networks),
        (
            (
                name,
                *(
                    f"{row['milliseconds']:.3g} ms" if name == "Baseline" else spread(row, "ratio")
                    for row in rows
                    if row["regularizer"] == name
                ),
            )
            for name in dict.fromkeys(row["regularizer"] for row in rows)
        ),
    )
