"""What all tests share."""

import keras
import pytest
from hypothesis import settings

# Importing it keeps the process from starting a backend, so no doctests are looked for in it.
collect_ignore = ["stress/sweeping.py"]

# `pytest --hypothesis-profile=thorough tests/stress` tries fifty times as many examples.
settings.register_profile("thorough", max_examples=5000, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def _compiled_code_does_not_pile_up():
    """JAX keeps what it has compiled for ever: gigabytes, over all tests."""
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
