"""Networks that ended in a loss spike are found by the documented rule."""

import pytest

from benchmarks.tables import spikes


def record(error, seed, status="finished", **config):
    return {
        "status": status,
        "config": {"regularizer": "CR", "weight": 10.0, **config, "seed": seed},
        "result": {} if error is None else {"train_error": error},
    }


def records_with(*errors, **config):
    return [record(error, seed, **config) for seed, error in enumerate(errors, 1)]


@pytest.mark.parametrize(
    ("errors", "seeds"),
    [
        ((0.626, 0.0, 0.0), [1]),
        ((0.2, 0.0, 0.0), []),  # exactly at the limit
        ((0.21, 0.0, 0.0), [1]),
        ((2.25, 1.0, 1.0), [1]),
        ((2.1875, 1.0, 1.0), []),
        ((5.0, 0.0), []),  # with two networks it is unclear which one is typical
        ((0.0, 9.0, 0.1, 8.0, 0.1), [2, 4]),
        ((), []),
        ((None, 9.0, 0.0), []),
    ],
)
def test_spike_is_a_training_error_beyond_the_limit(errors, seeds):
    assert [one["config"]["seed"] for one in spikes.spiked(records_with(*errors))] == seeds


def test_networks_are_compared_with_other_seeds_only():
    found = [*records_with(0.0, 0.0, 0.0), *records_with(5.0, 5.0, 5.0, weight=1.0), record(90.0, 4, status="diverged")]
    assert spikes.spiked(found) == []
    assert spikes.in_words(found) == ""


def test_spiked_networks_are_named():
    found = [*records_with(0.626, 0.0, 0.0), *records_with(0.0, 3.0, 0.0, regularizer="Baseline", weight=0.0)]
    assert spikes.in_words(found) == (
        "ended in a loss spike: CR at weight 10, seed 1 (training error 0.63%), Baseline, seed 2 (training error 3.00%)"
    )
