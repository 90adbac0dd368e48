"""Random chains of rewrites keep outputs within the tolerance, or raise and change no weight."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ion import chains

# `ION_CHAINS=200 pytest tests/ion/test_chains.py` runs 200 of each kind of network; `python -m tests.ion.chains 1000`
# counts the outcomes of each kind of rewrite.
EXAMPLES = int(os.environ.get("ION_CHAINS", "4"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", chains.NETWORKS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), dtype=st.sampled_from(chains.dtypes()))
def test_chains_of_rewrites_keep_outputs_or_raise(kind, seed, dtype):
    counts, worst = chains.run(kind, dtype, seed, length=3)
    assert sum(counts.values()) == 3
    assert worst <= 3
