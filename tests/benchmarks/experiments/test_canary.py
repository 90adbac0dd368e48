"""Short trainings reproduce reference numbers, so that changes in training are detected."""

from pathlib import Path

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the reference numbers are those of TensorFlow", allow_module_level=True)

from benchmarks.experiments import canary
from benchmarks.tables.aggregate import read_csv
from keras_repreg.regularizer_set import REGULARIZERS

KEPT = {row["regularizer"]: row for row in read_csv(Path(__file__).parents[3] / "benchmarks/results/canary.csv")}
NUMBERS = ("loss_1", "loss_2", "mean", "deviation")


def differences(row):
    """Return the relative difference of each number from its reference."""
    kept = KEPT[row["regularizer"]]
    assert row["weight"] == float(kept["weight"])
    return {name: abs(row[name] / float(kept[name]) - 1) for name in NUMBERS}


def test_canary_has_a_row_for_each_regularizer():
    assert list(KEPT) == list(canary.WEIGHTS) == list(REGULARIZERS)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_training_reproduces_the_reference_numbers(name):
    """After an intended change, run `python -m benchmarks canary --out benchmarks/results` and update all results."""
    found = differences(canary.numbers(name, canary.WEIGHTS[name]))
    assert max(found.values()) <= canary.TOLERANCE, found


@pytest.mark.parametrize("name", [name for name, weight in canary.WEIGHTS.items() if weight])
def test_one_percent_larger_penalty_is_detected(name):
    row = canary.numbers(name, 1.01 * canary.WEIGHTS[name])
    assert max(differences({**row, "weight": canary.WEIGHTS[name]}).values()) > 2 * canary.TOLERANCE
