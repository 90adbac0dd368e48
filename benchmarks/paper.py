"""The numbers that the paper prints (`paper_tables.json`), for comparison with what is measured here.

Source: Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics of deep
network representations", Tables 2, 3, 4, 6, 8 and 9.
"""

import json
from pathlib import Path

# The paper's column names and ours.
COLUMNS = {
    "error": "error",
    "activation_amplitude": "amplitude",
    "covariance": "covariance",
    "correlation": "correlation",
    "sparsity": "sparsity",
    "dead_unit": "dead_units",
    "rank": "stable_rank",
}


def table6() -> dict[str, dict[str, float]]:
    """Table 6 as {regularizer: {our column name: value}}; errors in percent."""
    tables = json.loads((Path(__file__).parent / "paper_tables.json").read_text())
    return {
        regularizer: {COLUMNS[column]: float(value) for column, value in row.items()}
        for regularizer, row in tables["table6"]["rows"].items()
    }
