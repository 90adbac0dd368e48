"""What a penalty costs: value and gradient for one batch, compiled, beside a loop over classes.

The loops take one class after the other, as the formulas of Table 5 read: `masked` multiplies the samples of the other
classes by zero, which XLA can compile; `gathered` takes out the samples of the class, of a size known only as it runs,
which XLA cannot. Value and gradient of a class are had together, so that neither keeps anything of the classes before.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.regularizers import REGULARIZERS
from benchmarks.timing import ratio, take_turns
from keras_repreg.classes import HardClasses, product

Batch = tuple[tf.Tensor, tf.Tensor]

PENALTIES = ("CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
GRID = tuple((n, m, k) for n in (100, 500, 4096) for m in (100, 512, 4096) for k in (10, 100, 1000))
SMOKE_GRID = ((100, 100, 10),)
# A loop that would need more than this many operations a call is not run.
LOOP_LIMIT = 3e11
# Size of the square matrices whose product measures the machine's peak.
PEAK_SIZE = 2048
# Name of a loop, and whether it takes out the samples of each class.
LOOPS = {"masked": False, "gathered": True}


def batch(samples: int, units: int, classes: int) -> Batch:
    """Activations as of a ReLU layer, and labels."""
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(samples, units)), 0).astype("float32")
    return tf.constant(z), tf.constant(rng.integers(0, classes, samples).astype("int32"))


def kernel(penalty: str) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Compiled value and gradient of a penalty's Omega."""
    layer = REGULARIZERS[penalty].keras_layer(1.0)
    classwise = penalty.startswith("cw-")

    @tf.function(jit_compile=True, autograph=False)
    def value_and_gradient(z: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            omega = layer.omega(z, HardClasses(ids, "float32")) if classwise else layer.omega(z)
        return omega, tape.gradient(omega, z)

    return value_and_gradient


def extra_megabytes(run: Callable[..., Any], z: tf.Tensor, ids: tf.Tensor) -> float:
    """Peak of what TensorFlow allocates during a call, its gradient included, beyond what is there before."""
    run(z, ids)[0].numpy()
    tf.config.experimental.reset_memory_stats("CPU:0")
    before = tf.config.experimental.get_memory_info("CPU:0")["current"]
    run(z, ids)[0].numpy()
    return (tf.config.experimental.get_memory_info("CPU:0")["peak"] - before) / 1e6


def least(z: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What any penalty has to do at least: read Z, sum up, and write a gradient. Here of the sum of squares."""
    return tf.reduce_sum(tf.square(z)), 2 * z


def loop(penalty: str, classes: int, gathered: bool) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Value and gradient class by class."""
    formula = {"cw-CR": _covariance, "cw-VR": _variance, "cw-RR": _holder}[penalty]

    @tf.function(jit_compile=not gathered)
    def value_and_gradient(z: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, gradient = tf.zeros(()), tf.zeros_like(z)
        for k in tf.range(classes):
            member = tf.equal(ids, k)
            with tf.GradientTape() as tape:
                tape.watch(z)
                rows = tf.boolean_mask(z, member) if gathered else z
                inside = tf.boolean_mask(member, member) if gathered else member
                omega = formula(rows, tf.cast(inside, "float32")[:, None])
            total += omega
            gradient += tf.convert_to_tensor(tape.gradient(omega, z))
        return total, gradient

    return value_and_gradient


def _centered(z: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.maximum(tf.reduce_sum(inside), 1)
    return (z - tf.reduce_sum(z * inside, axis=0) / size) * inside, size


def _covariance(z: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    centered, size = _centered(z, inside)
    covariance = tf.matmul(centered, centered, transpose_a=True) / size
    return tf.reduce_sum(tf.square(covariance)) - tf.reduce_sum(tf.square(tf.linalg.diag_part(covariance)))


def _variance(z: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    centered, size = _centered(z, inside)
    return tf.reduce_sum(tf.square(centered)) / size


def _holder(z: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    magnitude = tf.abs(z * inside)
    # A row of zeros more, as there is no maximum of no rows.
    rows = tf.pad(tf.reduce_sum(magnitude, axis=1), [[0, 1]])
    bound = tf.reduce_max(tf.reduce_sum(magnitude, axis=0)) * tf.reduce_max(rows)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.square(magnitude)), bound)


def operations(penalty: str, z: tf.Tensor, ids: tf.Tensor) -> float:
    """Floating-point operations of the matrix products of the route taken; 0 for a penalty that has none."""
    samples, units = z.shape
    if penalty == "CR":
        return 4.0 * samples * units * min(samples, units)
    if penalty != "cw-CR":
        return 0.0
    if samples <= product.ONE_TILE:
        return 4.0 * samples**2 * units
    tile = product.TILE
    ordered = np.unique(np.sort(ids.numpy()), return_inverse=True)[1]
    first, last = (
        ordered[::tile],
        np.append(ordered[tile - 1 :: tile], [ordered[-1]] * (samples % tile > 0)).astype(int),
    )
    total, kept = 0.0, -1
    for low, high in zip(first, last, strict=True):
        touching = int(((last >= low) & (first <= high)).sum())
        if samples <= units + tile or touching * tile <= units * (1 + high - low):
            total += 4.0 * touching * tile**2 * units
            continue
        for k in range(low, high + 1):
            new = int(((last >= k) & (first <= k)).sum()) if k != kept else 0
            total, kept = total + 2.0 * (new + 1) * tile * units**2, k
    return total


def loop_operations(penalty: str, samples: int, units: int, classes: int, gathered: bool) -> float:
    """Operations of a loop, gradient included; for a loop without matrix products, those of its passes over Z."""
    rows = samples if gathered else samples * classes
    return 6.0 * rows * units**2 + 20.0 * classes * units**2 if penalty == "cw-CR" else 50.0 * samples * classes * units


def compare(
    grid: Sequence[tuple[int, int, int]] = GRID, turns: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, Any]]:
    """One row a penalty and size: memory, milliseconds, and ratios to the loops, the least work, the machine's peak."""
    rows = []
    for samples, units, classes in grid:
        first = next(size for size in grid if size[:2] == (samples, units))
        for penalty in PENALTIES:
            # The global ones are the same for any number of classes.
            if penalty.startswith("cw-") or (samples, units, classes) == first:
                rows.append(_measure(penalty, samples, units, classes, turns, clock))
                print(_line(rows[-1]), flush=True)
    return rows


def _measure(
    penalty: str, samples: int, units: int, classes: int, turns: int, clock: Callable[[], float]
) -> dict[str, Any]:
    z, ids = batch(samples, units, classes)
    square = tf.random.normal((PEAK_SIZE, PEAK_SIZE))
    squared = tf.function(lambda z, ids: (tf.matmul(square, square)[0, 0],), jit_compile=True)
    runs: dict[str, Any] = {"ours": kernel(penalty), "least": tf.function(least, jit_compile=True), "peak": squared}
    classwise = penalty.startswith("cw-")
    for name, gathered in LOOPS.items() if classwise else ():
        if loop_operations(penalty, samples, units, classes, gathered) <= LOOP_LIMIT:
            runs[name] = loop(penalty, classes, gathered)
    _check_same(runs, z, ids)
    seconds = take_turns({name: partial(_wait, run, z, ids) for name, run in runs.items()}, turns, clock)
    ratios = {"least": ratio(seconds["ours"], seconds["least"])}
    ratios |= {name: ratio(seconds[name], seconds["ours"]) for name in LOOPS if name in seconds}
    row: dict[str, Any] = {"penalty": penalty, "N": samples, "M": units, "K": classes if classwise else ""}
    row["extra_megabytes"] = extra_megabytes(runs["ours"], z, ids)
    row["milliseconds"] = 1e3 * statistics.median(seconds["ours"])
    for name in ("least", *LOOPS):
        for part in ("median", "low", "high"):
            row[f"{name}_{part}"] = getattr(ratios[name], part) if name in ratios else ""
    work = operations(penalty, z, ids)
    row["peak_share"] = ratio(seconds["peak"], seconds["ours"]).median * work / (2 * PEAK_SIZE**3) if work else ""
    return row


def _wait(run: Callable[..., Any], z: tf.Tensor, ids: tf.Tensor) -> None:
    run(z, ids)[0].numpy()


def _check_same(runs: dict[str, Any], z: tf.Tensor, ids: tf.Tensor) -> None:
    """A fast kernel that computes something else would be no news."""
    value, gradient = runs["ours"](z, ids)
    for name in LOOPS.keys() & runs.keys():
        other_value, other_gradient = runs[name](z, ids)
        scale = float(tf.reduce_max(tf.abs(other_gradient)))
        same = np.isclose(value, other_value, rtol=1e-3, atol=1e-6)
        if not (same and np.allclose(gradient, other_gradient, rtol=1e-2, atol=1e-3 * scale)):
            raise ValueError(f"Expected the loop to give {float(value)}. Received: {float(other_value)} from {name}")


def as_text(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    head = f"{'':<6}{'N':>5}{'M':>5}{'K':>5}{'MB':>7}{'ms':>9}  {'by the least work':<22}"
    head += f"{'masked loop by it':<26}{'gathered loop by it':<26}of peak"
    return "\n".join([head, *map(_line, rows)])


def _line(row: dict[str, Any]) -> str:
    size = f"{row['penalty']:<6}{row['N']:>5}{row['M']:>5}{row['K']:>5}{row['extra_megabytes']:>7.1f}"
    spreads = f"{_spread(row, 'least'):<22}{_spread(row, 'masked'):<26}{_spread(row, 'gathered'):<26}"
    return f"{size}{row['milliseconds']:>9.3f}  {spreads}{_percent(row['peak_share'])}"


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The rows for a page."""
    lines = [
        "| | N | M | K | memory | ms | by the least work | masked loop by it | gathered loop by it | of peak |",
        "| --- " + "| ---: " * 9 + "|",
    ]
    for row in rows:
        cells = [
            row["penalty"],
            row["N"],
            row["M"],
            row["K"],
            f"{row['extra_megabytes']:.3g} MB",
            f"{row['milliseconds']:.3g}",
        ]
        cells += [_spread(row, name) for name in ("least", "masked", "gathered")]
        lines.append("| " + " | ".join(str(cell) for cell in [*cells, _percent(row["peak_share"])]) + " |")
    return "\n".join(lines) + "\n"


def _spread(row: dict[str, Any], name: str) -> str:
    if row[f"{name}_median"] == "":
        return "not run" if row["K"] != "" else ""
    return f"{row[f'{name}_median']:.3g} ({row[f'{name}_low']:.3g} to {row[f'{name}_high']:.3g})"


def _percent(share: Any) -> str:
    return f"{100 * share:.0f}%" if share != "" else ""
