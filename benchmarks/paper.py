"""The numbers printed in the paper (`paper_tables.json`), for comparison with those measured here.

Source: Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics of deep
network representations", Tables 2, 3, 4, 6, 8 and 9, and section 5.
"""

import functools
import json
from pathlib import Path
from typing import Any

# Our name for each column of the paper.
COLUMNS = {
    "error": "error",
    "activation_amplitude": "amplitude",
    "covariance": "covariance",
    "correlation": "correlation",
    "sparsity": "sparsity",
    "dead_unit": "dead_units",
    "rank": "stable_rank",
}


def errors(table: str) -> dict[str, dict[str, float]]:
    """Return `table4`, `table8` or `table9` as {regularizer: {condition: mean error in percent}}."""
    return {
        name: {condition: float(value["mean"]) for condition, value in row.items()}
        for name, row in _tables()[table]["rows"].items()
    }


def printed(name: str) -> dict[str, dict[str, float]]:
    """Return any table by row and our column name, deviations under `<column>_std`; empty for a figure."""
    if name in ("table2", "table3", "table6"):
        return {
            row: {COLUMNS[column]: float(value) for column, value in values.items()}
            for row, values in _tables()[name]["rows"].items()
        }
    if name not in ("table4", "table8", "table9"):
        return {}
    return {
        row: {**errors(name)[row], **{f"{column}_std": float(value["std"]) for column, value in values.items()}}
        for row, values in _tables()[name]["rows"].items()
    }


def figure4() -> dict[str, float]:
    """Return the correlation with the generalization error of the `lower_bound` and `upper_bound` of I(z;x)."""
    correlations: dict[str, float] = _tables()["figure4"]["correlation_of_I_zx_with_generalization_error"]
    return correlations


@functools.cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads((Path(__file__).parent / "paper_tables.json").read_text())
    return tables
