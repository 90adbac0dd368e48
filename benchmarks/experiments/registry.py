"""All experiments in the order of the paper, and the other commands."""

from types import ModuleType

from benchmarks.experiments import (
    canary,
    figure1,
    figure2,
    figure3,
    figure4,
    prepare,
    report,
    schedule,
    speed,
    status,
    table2,
    table3,
    table4,
    table6,
    table8,
    table9,
)
from benchmarks.experiments.experiment import Experiment

_MODULES = (figure1, table2, table3, figure2, figure3, figure4, table4, table6, table8, table9)
PAPER: dict[str, Experiment] = {module.EXPERIMENT.name: module.EXPERIMENT for module in _MODULES}
# Modules with HELP, add_arguments and run.
OTHERS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module for module in (report, prepare, schedule, status, canary, speed)
}
