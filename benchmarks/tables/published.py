"""A published table: its numbers, what the paper claims, and how it was made."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.tables.table import Table


@dataclass(frozen=True)
class Published:
    """A reproduced table or figure of the paper.

    Attributes:
        heading: Its heading.
        claim: What the paper says about it.
        setting: How it was made, as text.
        table: Measured and printed numbers.
        environments: The distinct versions, machines and commits of its runs.
    """

    heading: str
    claim: str
    setting: str
    table: Table
    environments: list[dict[str, Any]]

    def as_json(self) -> str:
        """Return it as strict JSON, with null for a missing number."""
        return json.dumps(_without_nan(asdict(self)), indent=1, allow_nan=False) + "\n"


def read(path: Path) -> Published:
    """Read a file written by `Published.as_json`.

    Raises:
        ValueError: if the file is not such a table.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        table = content.pop("table")
        rows = [{key: math.nan if value is None else value for key, value in row.items()} for row in table.pop("rows")]
        return Published(table=Table(rows, **table), **content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Expected a table written by `python -m benchmarks`. Received: {path}, {error!r}") from None


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
