"""Networks whose training ended in a loss spike, which a table names.

Adam sometimes ends in a spike: in the last epoch the training error jumps, and the characteristics with it. Such a
network stays in the means, since leaving it out would choose by outcome.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.sweeps import records

# Of the median training error of the networks that differ by the seed only, and percentage points beyond that.
MULTIPLE, POINTS = 2.0, 0.2
FEWEST = 3


def spiked(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the records of the runs that ended in a loss spike.

    A run ended in a spike if its training error is more than twice the median of the runs that differ from it by the
    seed only, itself among them, plus 0.2 percentage points. With fewer than three such runs there is no telling.
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
    """Return which networks ended in a loss spike, for the line below a table; nothing if none did."""
    names = []
    for record in spiked(found):
        config = record["config"]
        weight = f" at weight {config['weight']:g}" if config.get("weight") else ""
        name = f"{config.get('regularizer', 'the network')}{weight}, seed {config['seed']}"
        names.append(f"{name} (training error {record['result']['train_error']:.2f}%)")
    return f"ended in a loss spike: {', '.join(names)}" if names else ""
