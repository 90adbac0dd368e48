"""Find networks whose training ended in a loss spike, so that tables can name them.

With Adam, the training error sometimes jumps in the last epoch, and the characteristics with it. Such a network stays
in the means, because leaving it out would be selection by outcome.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.sweeps import records

# Limit on the training error: a multiple of the median over seeds, plus percentage points.
MULTIPLE, POINTS = 2.0, 0.2
FEWEST = 3


def spiked(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the records of the runs that ended in a loss spike.

    A run ended in a spike if its training error exceeds twice the median over all seeds of its configuration, plus 0.2
    percentage points. With fewer than three seeds, no run counts as ended in a spike.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in found:
        if record["status"] == records.FINISHED and "train_error" in record["result"]:
            config = {key: value for key, value in record["config"].items() if key != "seed"}
            groups.setdefault(json.dumps(config, sort_keys=True), []).append(record)
    ended = []
    for group in groups.values():
        errors = [record["result"]["train_error"] for record in group]
        limit = MULTIPLE * statistics.median(errors) + POINTS
        if len(group) >= FEWEST:
            ended += [record for record, error in zip(group, errors, strict=True) if error > limit]
    return ended


def in_words(found: Iterable[Mapping[str, Any]]) -> str:
    """Return the networks that ended in a loss spike, for the line below a table; "" if there are none."""
    names = []
    for record in spiked(found):
        config = record["config"]
        weight = f" at weight {config['weight']:g}" if config.get("weight") else ""
        name = f"{config.get('regularizer', 'the network')}{weight}, seed {config['seed']}"
        names.append(f"{name} (training error {record['result']['train_error']:.2f}%)")
    return f"ended in a loss spike: {', '.join(names)}" if names else ""
