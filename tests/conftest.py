"""Configuration and fixtures for all tests."""

import keras
import pytest
from hypothesis import settings

# Importing it would keep the process from starting a backend, so doctest collection skips it.
collect_ignore = ["stress/sweeping.py"]

# `pytest --hypothesis-profile=thorough tests/stress` runs fifty times as many examples.
settings.register_profile("thorough", max_examples=5000, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def _compiled_code_does_not_pile_up():
    """JAX caches compiled code forever, which would take gigabytes over all tests."""
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
