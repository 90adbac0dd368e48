"""Statements of the paper that follow from definitions: a failure would be a bug of the code, not news of the paper."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A proven statement.

    Attributes:
        place: Where in the paper.
        text: What is stated.
        test: The test that checks the code by it, under `tests/`.
    """

    place: str
    text: str
    test: str


IDENTITIES = (
    Identity(
        "Theorem 1",
        "After a linear layer, any invertible affine map of the representation can be undone by the next layer.",
        "ion/test_transform.py::test_theorem_1",
    ),
    Identity(
        "Theorem 2, Table 3",
        "A random positive diagonal changes the scale only: error, correlation, sparsity and dead units stay.",
        "benchmarks/test_results.py::test_table3_is_as_theorem_2_has_it",
    ),
    Identity(
        "Eq. 5, 6",
        "The share of dead units is at most the sparsity, and at most 1 - r/M.",
        "characteristics/test_characterize.py::test_dead_units_are_bounded_by_sparsity_and_rank",
    ),
    Identity(
        "Eq. 7 to 9",
        "Hölder's value is at most the stable rank, which is at most the rank.",
        "layers/test_values.py::test_no_holder_value_exceeds_the_stable_rank",
    ),
    Identity(
        "Eq. 10",
        "The gradient of Hölder's value.",
        "layers/test_values.py::test_gradient_is_that_of_the_papers_formula",
    ),
)
