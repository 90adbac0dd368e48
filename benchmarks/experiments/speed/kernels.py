"""The cost of a penalty: compiled value and gradient for one batch, compared with loops over classes.

The `masked` loop multiplies the samples of other classes by zero. The `gathered` loop selects the samples of the class,
whose number is known only at run time, so XLA cannot compile it. Both compute value and gradient of a class together,
so that no intermediate results of earlier classes are kept.
"""

import contextlib
import functools
import importlib
import statistics
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from benchmarks.experiments.speed.loops import FORMULAS, LOOPS, loop_operations
from benchmarks.experiments.speed.text import as_table, spread
from benchmarks.experiments.speed.timing import CLOCKS, ratio, take_turns
from benchmarks.training.backend import accelerators
from keras_repreg.classes import HardClasses, within_class_products
from keras_repreg.regularizer_set import REGULARIZERS

PENALTIES = ("CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
GRID = tuple((n, m, k) for n in (100, 500, 4096) for m in (100, 512, 4096) for k in (10, 100, 1000))
SMOKE_GRID = ((100, 100, 10),)
# Loops that need more operations per call are not run.
LOOP_LIMIT = 3e11
# Size of the square matrices whose product measures the machine's peak; on an accelerator it must take milliseconds.
PEAK_SIZE, ACCELERATOR_PEAK_SIZE = 2048, 16384


def backend() -> ModuleType:
    """Return the module that compiles and differentiates on the current backend."""
    return importlib.import_module(f"benchmarks.experiments.speed.kernel_{keras.backend.backend()}")


def batch(samples: int, units: int, classes: int) -> tuple[Any, Any]:
    """Return random activations of a ReLU layer, and labels."""
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(samples, units)), 0).astype("float32")
    return backend().tensor(z), backend().tensor(rng.integers(0, classes, samples).astype("int32"))


def kernel(penalty: str) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the compiled value and gradient of a penalty's Omega."""
    layer = REGULARIZERS[penalty].keras_layer(1.0)
    if penalty.startswith("cw-"):
        return backend().with_gradient(lambda z, ids: layer.omega(z, HardClasses(ids, "float32")))
    return backend().with_gradient(lambda z, ids: layer.omega(z))


def least(z: Any, ids: Any) -> tuple[Any, Any]:
    """Do the least work that any penalty needs: read Z, sum its squares, and write a gradient."""
    return ops.sum(ops.square(z)), 2 * z


def operations(penalty: str, z: Any, ids: Any) -> float:
    """Return the floating-point operations in matrix products for the formula chosen by size; 0 if there are none."""
    samples, units = z.shape
    if penalty == "CR":
        return 4.0 * samples * units * min(samples, units)
    if penalty != "cw-CR":
        return 0.0
    tile, one = within_class_products.tiling(z)
    if samples <= one:
        return 4.0 * samples**2 * units
    ordered = np.unique(np.sort(ops.convert_to_numpy(ids)), return_inverse=True)[1]
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


def compare(turns: int = 5, clock: str = "wall", *, smoke: bool = False) -> list[dict[str, Any]]:
    """Return a row per penalty and size: memory, milliseconds, ratios to the loops and least work, fraction of peak."""
    rows = []
    grid = SMOKE_GRID if smoke else GRID
    for samples, units, classes in grid:
        first = next(size for size in grid if size[:2] == (samples, units))
        for penalty in PENALTIES:
            # Penalties that are not class-wise do not depend on the number of classes.
            if penalty.startswith("cw-") or (samples, units, classes) == first:
                rows.append(_measure(penalty, samples, units, classes, turns, CLOCKS[clock]))
                print("  ".join(map(str, _cells(rows[-1]))), flush=True)
    return rows


def _measure(
    penalty: str, samples: int, units: int, classes: int, turns: int, clock: Callable[[], float]
) -> dict[str, Any]:
    z, ids = batch(samples, units, classes)
    size = ACCELERATOR_PEAK_SIZE if accelerators() else PEAK_SIZE
    runs = _functions(penalty, samples, units, classes) | {"least": backend().compiled(least)}
    # On an accelerator the check has a different precision, so it needs separately compiled functions.
    _check_same(_functions(penalty, samples, units, classes) if accelerators() else runs, z, ids)
    calls = {name: partial(_wait, run, z, ids) for name, run in runs.items()} | {"peak": partial(_wait, *_peak(size))}
    seconds = take_turns(calls, turns, clock)
    ratios = {"least": ratio(seconds["ours"], seconds["least"])}
    ratios |= {name: ratio(seconds[name], seconds["ours"]) for name in LOOPS if name in seconds}
    row: dict[str, Any] = {"penalty": penalty, "N": samples, "M": units, "K": classes if penalty in FORMULAS else ""}
    row["extra_megabytes"] = backend().extra_megabytes(runs["ours"], z, ids)
    row["milliseconds"] = 1e3 * statistics.median(seconds["ours"])
    for name in ("least", *LOOPS):
        for part in ("median", "low", "high"):
            row[f"{name}_{part}"] = getattr(ratios[name], part) if name in ratios else ""
    work = operations(penalty, z, ids)
    row["peak_share"] = ratio(seconds["peak"], seconds["ours"]).median * work / (2 * size**3) if work else ""
    return row


@functools.cache
def _peak(size: int) -> tuple[Callable[[Any], Any], Any]:
    """Return a function that squares a matrix, and the matrix."""
    square = backend().tensor(np.random.default_rng(0).random((size, size), dtype="float32"))
    return backend().compiled(lambda z: ops.matmul(z, z)), square


def _functions(penalty: str, samples: int, units: int, classes: int) -> dict[str, Any]:
    """Return our implementation and the loops; each is compiled at its first call."""
    runs: dict[str, Any] = {"ours": kernel(penalty)}
    for name, gathered in LOOPS.items() if penalty in FORMULAS else ():
        run = backend().loop(FORMULAS[penalty], classes, gathered)
        if run is not None and loop_operations(penalty, samples, units, classes, gathered) <= LOOP_LIMIT:
            runs[name] = run
    return runs


def _wait(run: Callable[..., Any], *arguments: Any) -> None:
    """Call and fetch a small part of the result, because calls on a GPU are asynchronous."""
    result = run(*arguments)
    keras.ops.convert_to_numpy(result[0] if isinstance(result, tuple) else result[0, 0])


def _check_same(runs: dict[str, Any], z: Any, ids: Any) -> None:
    """Raise a ValueError unless all functions agree."""
    compared = {name: runs[name] for name in ("ours", *LOOPS) if name in runs}
    # By default, GPUs multiply float32 matrices with a 10-bit mantissa.
    with backend().exact_products() if accelerators() else contextlib.nullcontext():
        found = {name: [*map(ops.convert_to_numpy, run(z, ids))] for name, run in compared.items()}
    value, gradient = found.pop("ours")
    for name, (other_value, other_gradient) in found.items():
        scale = float(np.abs(other_gradient).max())
        same = np.isclose(value, other_value, rtol=1e-3, atol=1e-6)
        if not (same and np.allclose(gradient, other_gradient, rtol=1e-2, atol=1e-3 * scale)):
            raise ValueError(f"Expected the loop to give {float(value)}. Received: {float(other_value)} from {name}")


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    sizes, loops = ["", "N", "M", "K", "memory", "ms"], ["masked loop (ratio)", "gathered loop (ratio)"]
    head = [*sizes, "relative to the least work", *loops]
    with_peak = any(row["peak_share"] != "" for row in rows)
    return as_table([*head, *["of peak"][: int(with_peak)]], (_cells(row)[: 9 + with_peak] for row in rows))


def _cells(row: dict[str, Any]) -> list[Any]:
    size = [row["penalty"], row["N"], row["M"], row["K"]]
    cost = [f"{row['extra_megabytes']:.3g} MB", f"{row['milliseconds']:.3g}"]
    return [*size, *cost, *(_spread(row, name) for name in ("least", *LOOPS)), _percent(row["peak_share"])]


def _spread(row: dict[str, Any], name: str) -> str:
    if row[f"{name}_median"] == "":
        return "not run" if row["K"] != "" else ""
    # Three digits, also of numbers above a thousand, which ".3g" would write with an exponent.
    rounded = {key: float(f"{row[key]:.3g}") for key in (f"{name}_{part}" for part in ("median", "low", "high"))}
    return spread(rounded, name, ",g")


def _percent(share: Any) -> str:
    return f"{100 * share:.0f}%" if share != "" else ""
