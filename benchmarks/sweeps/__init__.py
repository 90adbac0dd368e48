"""Sweeps of independent runs: workers, locks, records, and the search for loss weights."""
