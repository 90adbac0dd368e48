"""The paper's experiments: `python -m benchmarks --help`."""
