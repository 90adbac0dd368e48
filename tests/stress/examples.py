"""Strategies for degenerate batches, and the number of examples."""

import keras
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# JAX recompiles every operation for each shape.
SLOWER = 4 if keras.backend.backend() == "jax" else 1


def examples(number):
    """Return settings for `number` examples, or fifty times as many in the profile `thorough`."""
    number = max(number * settings.default.max_examples // (100 * SLOWER), 2)
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


def _powers(rng, shape):
    return rng.normal(size=shape) * 10.0 ** rng.integers(-30, 31, (1, shape[1]))


def _sparse(rng, shape):
    z = np.zeros(shape)
    if z.size:
        z.flat[rng.integers(z.size)] = 1.0
    return z


KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "relu": lambda rng, shape: np.maximum(rng.normal(size=shape), 0),
    "zeros": lambda rng, shape: np.zeros(shape),
    "constant": lambda rng, shape: np.full(shape, rng.normal()),
    "equal samples": lambda rng, shape: np.broadcast_to(rng.normal(size=(1, shape[1])), shape),
    "equal units": lambda rng, shape: np.broadcast_to(rng.normal(size=(shape[0], 1)), shape),
    "one value": _sparse,
    "far off": lambda rng, shape: rng.normal(size=shape) + 1e6,
    "large": lambda rng, shape: rng.normal(size=shape) * 1e8,
    "huge": lambda rng, shape: rng.normal(size=shape) * 1e30,
    "tiny": lambda rng, shape: rng.normal(size=shape) * 1e-30,
    "subnormal": lambda rng, shape: rng.normal(size=shape) * 1e-41,
    "any powers of ten": _powers,
    "whole numbers": lambda rng, shape: rng.integers(-3, 4, shape).astype(float),
}


@st.composite
def batches(draw, smallest=1, samples=14, units=14, kinds=tuple(KINDS)):
    """Generate an array of shape (N, M) in float64."""
    shape = draw(st.integers(smallest, samples)), draw(st.integers(1, units))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.array(KINDS[draw(st.sampled_from(kinds))](rng, shape))


@st.composite
def ids(draw, samples):
    """Generate class ids: few, many, absent, negative, large."""
    classes = draw(st.sampled_from([[0], [0, 1], list(range(5)), list(range(40)), [-7, 3], [-(2**31), 2**31 - 1]]))
    return np.array([draw(st.sampled_from(classes)) for _ in range(samples)], "int32")


def in_range_of(z, dtype):
    """Return the values clipped to the range of a dtype."""
    largest = {"float16": 65504.0, "float64": 1e300}.get(dtype, 3e38)
    return np.clip(z, -largest, largest)
