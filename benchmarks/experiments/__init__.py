"""The paper's tables and figures, one declaration per file, and what else the command line offers."""
