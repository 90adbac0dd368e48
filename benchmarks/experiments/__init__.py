"""The paper's tables and figures, one declaration per file, and the other commands."""
