"""The schedule of Tables 4 and 9, and conditions that need more images than there are."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.data import Split, Splits
from benchmarks.experiments import cifar, schedule, table4, table9


def images(training, validating=10_000):
    """Return splits with this many images, whose content is never used."""
    x = np.broadcast_to(np.float32(0), (1, 8, 8, 3))
    return Splits(
        *(Split(np.broadcast_to(x, (n, 8, 8, 3)), np.zeros(n, "int32")) for n in (training, validating, 10_000))
    )


@pytest.mark.parametrize(
    ("experiment", "training", "expected"),
    [
        (table4, 40_000, [*table4.EXPERIMENT.conditions]),
        (table9, 40_000, [*table9.EXPERIMENT.conditions]),
        (table9, 5_000, ["data_1k", "data_5k"]),
        (table9, 4_999, ["data_1k"]),
    ],
)
def test_conditions_with_too_few_images_are_reported(experiment, training, expected, capsys):
    conditions = experiment.EXPERIMENT.conditions
    assert experiment.EXPERIMENT.runnable(images(training), "some") == expected
    err = capsys.readouterr().err
    missing = [name for name in conditions if name not in expected]
    assert err.count("\n") == bool(missing)
    for name in missing:
        assert f"{name} (needs {conditions[name].get('samples', 40_000)})" in err


def test_too_few_images_for_any_condition_raises():
    with pytest.raises(ValueError, match="Expected 1000 training images. Received: 999 of some"):
        table9.EXPERIMENT.runnable(images(999), "some")


def test_batches_are_cumulative_and_the_last_is_complete():
    for table in (table4.EXPERIMENT, table9.EXPERIMENT):
        batches = [batch for batch in schedule.BATCHES if batch.table is table]
        for before, after in itertools.pairwise(batches):
            assert set(before.conditions) <= set(after.conditions)
        assert batches[-1].conditions == tuple(table.conditions)
        assert "--grid" not in batches[-1].options
    assert schedule.BATCHES[0].conditions == ("default",)


@dataclass(frozen=True, kw_only=True)
class Seen(cifar.Cifar):
    """A table that does not train."""

    seen: list

    def run(self, arguments):
        self.seen.append(arguments)
        return 0


def test_schedule_passes_only_runnable_conditions(tmp_path, monkeypatch, capsys):
    seen = []
    fields = {name: getattr(table9.EXPERIMENT, name) for name in table9.EXPERIMENT.__dataclass_fields__}
    table = Seen(**fields, seen=seen)
    batches = [replace(batch, table=table) for batch in schedule.BATCHES if batch.table is table9.EXPERIMENT]
    monkeypatch.setattr(schedule, "BATCHES", [replace(batches[0], conditions=("default",)), *batches])
    monkeypatch.setattr(schedule, "load", lambda name, flatten: images(5_000))
    arguments = ["schedule", "--cifar100", "some", "--jobs", "2", "--quiet", "--fresh", "--out", str(tmp_path)]
    assert main([*arguments, "--list"]) == 0
    assert not seen
    assert main([*arguments, "--last", "3"]) == 1
    assert [one.conditions for one in seen] == [["data_1k", "data_5k"]] * 2
    assert {(one.data, one.jobs, one.quiet, one.fresh, one.out) for one in seen} == {("some", 2, True, True, tmp_path)}
    assert len({one.started for one in seen}) == 1
    assert "Batch 1 of 4: table9, default was not run: " in capsys.readouterr().err
