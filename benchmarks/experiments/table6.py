"""Table 6: what each of the twelve regularizers does to the representation that it is applied to.

Network, data and training: Appendix D and `benchmarks.models`; loss weights: `benchmarks.weights`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.aggregate import finished_of, mean_and_std
from benchmarks.mnist_run import MnistRun, train
from benchmarks.regularizers import REGULARIZERS
from benchmarks.sweep import sweep

CLAIM = (
    "Each representation regularizer moves the characteristic that it targets, while weight regularizers move none; "
    "and a large share of dead units, or a rank of one, does not hurt the performance."
)
COLUMNS = ("error", "amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")

# The number of epochs is not in the paper. Here the baseline's amplitude and covariance reach those of Table 6
# between epochs 40 and 50, and those of the rank regularizers at 50 to 55.
DEFAULT_RUN = MnistRun("Baseline", 0.0, seed=1, epochs=50)


@dataclass(frozen=True)
class Settings:
    """How Table 6 is made.

    Attributes:
        trials: Networks per regularizer, with seeds 1, 2, ...
        run: What all runs share.
        jobs: Processes; -1 for one per core.
        quiet: No progress bars.
    """

    trials: int = 1
    run: MnistRun = DEFAULT_RUN
    jobs: int = -1
    quiet: bool = False


def measure_table(settings: Settings, weights: dict[str, float], folder: Path) -> list[dict[str, Any]]:
    """Train and measure; one row a regularizer, with means and standard deviations over the trials."""
    runs = runs_of(settings, weights)
    found = sweep(runs, train, folder, jobs=settings.jobs, title="Table 6", quiet=settings.quiet)
    rows = []
    for name in REGULARIZERS:
        weight = weights.get(name, 0.0)
        finished = finished_of(found, name, weight)
        row: dict[str, Any] = {"regularizer": name, "weight": weight, "trials": len(finished)}
        for column in COLUMNS:
            row[f"{column}_mean"], row[f"{column}_std"] = mean_and_std([result[column] for result in finished])
        rows.append(row)
    return rows


def runs_of(settings: Settings, weights: dict[str, float]) -> list[MnistRun]:
    """The runs that the table is made of."""
    return [
        replace(settings.run, regularizer=name, weight=weights.get(name, 0.0), seed=seed)
        for name in REGULARIZERS
        for seed in range(1, settings.trials + 1)
    ]
